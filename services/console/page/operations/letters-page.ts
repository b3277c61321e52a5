/** Dead letters: requests that failed on every attempt. Never with what the client sent: prompts are shown by `npm run dlq -- show ID --body` only. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { html } from '../base/html.ts';
import { useLoaded } from '../base/load.ts';
import { entriesOf, type Fact, NotLoaded, timeOf } from '../base/parts.ts';
import { SelectAll, type Selection, SelectionBar, SelectOne, useSelection } from './act.ts';

interface Letter {
  readonly id: string;
  readonly model: string;
  readonly reason: string;
  readonly message: string;
  readonly died_at: string;
  readonly bytes: number;
}

interface Details extends Letter {
  readonly endpoint: string;
  readonly lane: string;
  readonly prompt_tokens: number;
  readonly accepted_at: string;
  readonly run: { readonly kind: string; readonly status: string; readonly attempts: number } | null;
  readonly can_requeue: boolean;
  readonly why_not: string | null;
}

const PLANS = [
  {
    ...{ action: 'letter.requeue', verb: 'Requeue', thing: 'dead letter' },
    about:
      'They are run again under their own ids, with the same time limits as at first. Only jobs and background responses can be.',
  },
  {
    ...{ action: 'letter.drop', verb: 'Drop', thing: 'dead letter' },
    about: 'They are deleted with what the clients sent, for good.',
  },
];

export function LettersPage({ mayAct }: { readonly mayAct: boolean }): VNode {
  const [loaded, look] = useLoaded<{ total: number; letters: Letter[] }>('/api/letters');
  const [shown, setShown] = useState<string | null>(null);
  const selection = useSelection();
  const acted = () => {
    selection.clear();
    setShown(null);
    void look();
  };
  return html`
    <h1>Dead letters</h1>
    <p class="quiet">Requests that failed on every attempt, kept for seven days. <button type="button" onClick=${look}>Look again</button></p>
    ${mayAct && html`<${SelectionBar} selected=${selection.selected} plans=${PLANS} onActed=${acted} />`}
    ${loaded.kind !== 'loaded' && html`<${NotLoaded} loaded=${loaded} />`}
    ${loaded.kind === 'loaded' && loaded.value.letters.length === 0 && html`<p class="panel">There are none.</p>`}
    ${
      loaded.kind === 'loaded' &&
      loaded.value.letters.length > 0 &&
      html`
      <${Table} letters=${loaded.value.letters} selection=${mayAct ? selection : null} onShow=${setShown} />
      ${loaded.value.total > loaded.value.letters.length && html`<p class="quiet">The newest ${loaded.value.letters.length} of ${loaded.value.total}.</p>`}`
    }
    ${shown !== null && html`<${LetterDetails} key=${shown} id=${shown} />`}
  `;
}

interface TableProps {
  readonly letters: readonly Letter[];
  readonly selection: Selection | null;
  readonly onShow: (id: string) => void;
}

function Table({ letters, selection, onShow }: TableProps): VNode {
  const ids = letters.map(({ id }) => id);
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of dead letters">
      <table>
        <thead><tr>
          ${selection && html`<${SelectAll} selection=${selection} ids=${ids} label="Select all" />`}
          <th scope="col">Request</th><th scope="col">Model</th><th scope="col">Died</th>
          <th scope="col">Reason</th><th scope="col">Last words</th><th scope="col" class="n">Bytes</th>
        </tr></thead>
        <tbody>${letters.map(
          letter => html`
          <tr key=${letter.id} data-row=${letter.id}>
            ${selection && html`<${SelectOne} selection=${selection} id=${letter.id} />`}
            <th scope="row"><button type="button" class="plain" onClick=${() => onShow(letter.id)}><code>${letter.id}</code></button></th>
            <td>${letter.model}</td>
            <td>${timeOf(letter.died_at)}</td>
            <td>${letter.reason.replaceAll('_', ' ')}</td>
            <td class="words">${letter.message}</td>
            <td class="n">${letter.bytes}</td>
          </tr>`,
        )}</tbody>
      </table>
    </div>
  `;
}

function LetterDetails({ id }: { readonly id: string }): VNode {
  const [loaded] = useLoaded<{ letter: Details }>(`/api/letters/${encodeURIComponent(id)}`);
  if (loaded.kind !== 'loaded') return html`<${NotLoaded} loaded=${loaded} />`;
  const { letter } = loaded.value;
  const facts: Fact[] = [
    ['Endpoint', `${letter.endpoint}, ${letter.lane} lane`],
    ['Model', letter.model],
    ['Prompt', `about ${letter.prompt_tokens} tokens`],
    ['Accepted', timeOf(letter.accepted_at)],
    ['Died', timeOf(letter.died_at)],
    ['Reason', `${letter.reason.replaceAll('_', ' ')}: ${letter.message || 'no words'}`],
    [
      'Record',
      letter.run === null
        ? 'none'
        : `${letter.run.kind}, ${letter.run.status}, ${letter.run.attempts} attempts`,
    ],
    ['Requeue', letter.can_requeue ? 'it can be queued again' : `not possible: ${letter.why_not}`],
  ];
  return html`
    <section class="panel details" aria-label="Details">
      <h2>${id}</h2>
      <p><a href=${`#/requests/${id}`}>What happened to it</a></p>
      <dl>${entriesOf(facts)}</dl>
    </section>
  `;
}
