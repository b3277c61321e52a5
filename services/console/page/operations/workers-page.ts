/** All workers in a table: what they run, what they bid and why not; and how they are taken out of service and back. */
import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { RegionState, WorkerRow } from '../../shared/region-state.ts';
import { bidWords, modelWords, number, percent, seconds, WORKER_STATES } from '../../shared/words.ts';
import { html } from '../base/html.ts';
import { Pure, useByName } from '../base/pure.ts';
import { SelectAll, type Selection, SelectionBar, SelectOne, useSelection } from './act.ts';

const PLANS = [
  {
    ...{ action: 'worker.drain', verb: 'Drain', thing: 'worker' },
    about: 'They take nothing new, and finish what they run. A worker that is started again takes work.',
  },
  {
    ...{ action: 'worker.resume', verb: 'Resume', thing: 'worker' },
    about: 'They take work again, if their engines are well.',
  },
];
/** To lay out twice as many, four times a second, would hold the page up. */
const MOST_ROWS = 50;
const MOST_MODELS = 4;

type Named = readonly [name: string, row: WorkerRow];

export function WorkersPage({
  state,
  mayAct,
}: {
  readonly state: RegionState;
  readonly mayAct: boolean;
}): VNode {
  const [filter, setFilter] = useState('');
  const selection = useSelection();
  const all = useByName(state.workers);
  const rows = all.filter(each => matches(each, filter.trim().toLowerCase()));
  const shown = rows.slice(0, MOST_ROWS);
  return html`
    <h1>Workers</h1>
    <div class="filter">
      <label for="filter">Filter by name, model or state</label>
      <input id="filter" type="search" value=${filter} onInput=${(event: InputEvent) => setFilter((event.target as HTMLInputElement).value)} />
      <span class="quiet" role="status">${rows.length} of ${all.length}</span>
    </div>
    ${mayAct && html`<${SelectionBar} selected=${selection.selected} plans=${PLANS} onActed=${selection.clear} />`}
    ${all.length === 0 ? html`<p class="panel">None is heard.</p>` : html`<${Table} rows=${shown} selection=${mayAct ? selection : null} />`}
    ${rows.length > MOST_ROWS && html`<p class="quiet">and ${rows.length - MOST_ROWS} more: filter them</p>`}
  `;
}

function matches([name, row]: Named, filter: string): boolean {
  return [name, ...row.models, WORKER_STATES[row.state].word].some(text =>
    text.toLowerCase().includes(filter),
  );
}

function Table({
  rows,
  selection,
}: {
  readonly rows: readonly Named[];
  readonly selection: Selection | null;
}): VNode {
  const names = rows.map(([name]) => name);
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of workers">
      <table>
        <thead><tr>
          ${selection && html`<${SelectAll} selection=${selection} ids=${names} label="Select all" />`}
          <th scope="col">Worker</th><th scope="col">State</th><th scope="col">Models</th>
          <th scope="col" class="n">In use</th><th scope="col" class="n">Quote</th>
          <th scope="col" class="n">Prompt tokens/s</th><th scope="col" class="n">Output/s</th>
          <th scope="col" class="n">KV</th><th scope="col" class="n">Failures</th><th scope="col">Bids</th>
        </tr></thead>
        <tbody>${rows.map(([name, row]) => html`<${Row} key=${name} name=${name} row=${row} selection=${selection} />`)}</tbody>
      </table>
    </div>
  `;
}

interface RowProps {
  readonly name: string;
  readonly row: WorkerRow;
  readonly selection: Selection | null;
}

class Row extends Pure<RowProps> {
  override render({ name, row, selection }: RowProps): ComponentChildren {
    return workerRow(name, row, selection);
  }
}

function workerRow(name: string, row: WorkerRow, selection: Selection | null): VNode {
  const { mark, word, about } = WORKER_STATES[row.state];
  const known = (value: number | undefined, words: (value: number) => string) =>
    value === undefined ? '–' : words(value);
  return html`
    <tr data-row=${name}>
      ${selection && html`<${SelectOne} selection=${selection} id=${name} />`}
      <th scope="row">${name}</th>
      <td title=${about}><span class=${`state worker ${row.state}`} aria-hidden="true">${mark}</span> ${word}${row.silentS === undefined ? '' : ` ${row.silentS} s`}</td>
      <td class="words">${modelWords(row.models, MOST_MODELS)}</td>
      <td class="n">${known(row.running, String)} of ${row.slots}</td>
      <td class="n">${seconds(row.waitS)}</td>
      <td class="n">${row.tokensPerSec === 0 ? '–' : number(row.tokensPerSec)}</td>
      <td class="n">${known(row.outputPerS, number)}</td>
      <td class="n">${known(row.kvUse, percent)}</td>
      <td class="n">${known(row.errorRate, percent)}</td>
      <td class="bids"><${Bids} row=${row} /></td>
    </tr>
  `;
}

/** Why a worker in such a state bids for nothing at all. */
const NONE: Partial<Record<WorkerRow['state'], string>> = {
  silent: 'unknown',
  sick: 'no: its engine is sick, or it is cut off from Redis',
  drained: 'no: an operator drained it',
  draining: 'no: it shuts down',
};

/** Kinds of work for which the same is true are told together. */
function Bids({ row }: { readonly row: WorkerRow }): VNode {
  const none = NONE[row.state] ?? (row.bids === undefined ? 'unknown' : undefined);
  if (none !== undefined) return html`<b>${none}</b>`;
  const byWords = new Map<string, string[]>();
  for (const [kind, bid] of Object.entries(row.bids ?? {})) {
    const words = bidWords(bid);
    byWords.set(words, [...(byWords.get(words) ?? []), kind.replace('_any', '').replace('interactive_', '')]);
  }
  return html`<ul>${[...byWords].map(([words, kinds]) => html`<li key=${words}><b>${words}</b> ${kinds.join(', ')}</li>`)}</ul>`;
}
