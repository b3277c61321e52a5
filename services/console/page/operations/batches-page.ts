/** Batches that are under way, how far each is, and one that is chosen or named, with its errors by line. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { html } from '../base/html.ts';
import { useLoaded } from '../base/load.ts';
import { entriesOf, type Fact, NotLoaded, timeOf } from '../base/parts.ts';
import { SelectAll, type Selection, SelectionBar, SelectOne, useSelection } from './act.ts';

interface Batch {
  readonly id: string;
  readonly tenant: string;
  readonly endpoint: string;
  readonly model?: string;
  readonly status: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly errors: {
    readonly data: readonly { line: number | null; code: string; message: string }[];
  } | null;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
}

const PLANS = [
  {
    ...{ action: 'batch.cancel', verb: 'Cancel', thing: 'batch' },
    about: 'Lines that wait are taken back, and what was answered by then is kept in the output file.',
  },
];

export function BatchesPage({ mayAct }: { readonly mayAct: boolean }): VNode {
  const [loaded, look] = useLoaded<{ total: number; batches: Batch[] }>('/api/batches');
  const [shown, setShown] = useState('');
  const selection = useSelection();
  const acted = () => {
    selection.clear();
    void look();
  };
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    setShown(String(new FormData(event.target as HTMLFormElement).get('id')).trim());
  };
  return html`
    <h1>Batches</h1>
    <form class="filter" onSubmit=${find}>
      <label for="batch-id">Any batch by its id</label>
      <input id="batch-id" name="id" type="search" placeholder="batch_…" required />
      <button type="submit">Find</button>
      <button type="button" onClick=${look}>Look again</button>
    </form>
    ${mayAct && html`<${SelectionBar} selected=${selection.selected} plans=${PLANS} onActed=${acted} />`}
    ${loaded.kind !== 'loaded' && html`<${NotLoaded} loaded=${loaded} />`}
    ${loaded.kind === 'loaded' && loaded.value.batches.length === 0 && html`<p class="panel">None is under way.</p>`}
    ${
      loaded.kind === 'loaded' &&
      loaded.value.batches.length > 0 &&
      html`
      <${Table} batches=${loaded.value.batches} selection=${mayAct ? selection : null} onShow=${setShown} />
      ${loaded.value.total > loaded.value.batches.length && html`<p class="quiet">The newest ${loaded.value.batches.length} of ${loaded.value.total}.</p>`}`
    }
    ${shown !== '' && html`<${BatchDetails} key=${shown} id=${shown} />`}
  `;
}

interface TableProps {
  readonly batches: readonly Batch[];
  readonly selection: Selection | null;
  readonly onShow: (id: string) => void;
}

function Table({ batches, selection, onShow }: TableProps): VNode {
  const ids = batches.map(({ id }) => id);
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of batches">
      <table>
        <thead><tr>
          ${selection && html`<${SelectAll} selection=${selection} ids=${ids} label="Select all" />`}
          <th scope="col">Batch</th><th scope="col">Tenant</th><th scope="col">Endpoint</th><th scope="col">Model</th>
          <th scope="col">Status</th><th scope="col">Progress</th><th scope="col" class="n">Failed</th><th scope="col">Expires</th>
        </tr></thead>
        <tbody>${batches.map(batch => batchRow(batch, selection, onShow))}</tbody>
      </table>
    </div>
  `;
}

function batchRow(batch: Batch, selection: Selection | null, onShow: (id: string) => void): VNode {
  const { id, request_counts: counts } = batch;
  const ended = counts.completed + counts.failed;
  return html`
    <tr key=${id} data-row=${id}>
      ${selection && html`<${SelectOne} selection=${selection} id=${id} />`}
      <th scope="row"><button type="button" class="plain" onClick=${() => onShow(id)}><code>${id}</code></button></th>
      <td><a href=${`#/webhooks/${batch.tenant}`}><code>${batch.tenant}</code></a></td>
      <td>${batch.endpoint.replace('/v1/', '')}</td>
      <td>${batch.model ?? 'several'}</td>
      <td>${batch.status.replaceAll('_', ' ')}</td>
      <td>${counts.total === 0 ? 'not counted yet' : html`<progress aria-label="Lines that have ended" max=${counts.total} value=${ended}></progress> ${ended} of ${counts.total}`}</td>
      <td class="n">${counts.failed}</td>
      <td>${timeOf(1000 * batch.expires_at)}</td>
    </tr>
  `;
}

function BatchDetails({ id }: { readonly id: string }): VNode {
  const [loaded] = useLoaded<{ batch: Batch }>(`/api/batches/${encodeURIComponent(id)}`);
  if (loaded.kind !== 'loaded') return html`<${NotLoaded} loaded=${loaded} />`;
  const { batch } = loaded.value;
  const { total, completed, failed } = batch.request_counts;
  const facts: Fact[] = [
    ['Status', batch.status.replaceAll('_', ' ')],
    ['Lines', `${completed} answered and ${failed} failed of ${total}`],
    ['Endpoint', batch.endpoint],
    ['Model', batch.model ?? 'several'],
    ['Tenant', batch.tenant],
    ['Created', timeOf(1000 * batch.created_at)],
    ['Expires', timeOf(1000 * batch.expires_at)],
    ['Output', batch.output_file_id ?? 'no file yet'],
    ['Failed lines', batch.error_file_id ?? 'no file'],
  ];
  return html`
    <section class="panel details" aria-label="Details">
      <h2>${id}</h2>
      <dl>${entriesOf(facts)}</dl>
      ${batch.errors !== null && html`<${Mistakes} of=${batch.errors.data} />`}
    </section>
  `;
}

/** Mistakes in the input file. */
function Mistakes({ of }: { readonly of: NonNullable<Batch['errors']>['data'] }): VNode {
  return html`
    <h3>Mistakes in the input</h3>
    <ul>${of.map(({ line, code, message }) => html`<li>${line === null ? 'The file' : `Line ${line}`}: ${message} <code>${code}</code></li>`)}</ul>
  `;
}
