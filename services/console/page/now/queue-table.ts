/** Queues, what is worst first. */
import type { VNode } from 'preact';
import type { QueueRow, QueueState, RegionState } from '../../shared/region-state.ts';
import { QUEUE_STATES, seconds } from '../../shared/words.ts';
import { html } from '../base/html.ts';

const MOST_ROWS = 50;
const RANKS = Object.keys(QUEUE_STATES) as QueueState[];

export function QueueTable({ queues }: { readonly queues: RegionState['queues'] }): VNode {
  const rows = Object.entries(queues).sort(([, a], [, b]) => worstFirst(a, b));
  return html`
    <section class="panel" aria-labelledby="queues">
      <h2 id="queues">Queues <small>worst first</small></h2>
      ${
        rows.length === 0
          ? html`<p>No model is served, and nothing waits.</p>`
          : html`
        <div class="scroll" tabindex="0" role="group" aria-label="Table of queues">
          <table>
            <thead><tr>
              <th scope="col">State</th><th scope="col">Model</th><th scope="col">Lane</th>
              <th scope="col" class="n">Queued</th><th scope="col" class="n">Oldest</th>
              <th scope="col" class="n">Workers</th><th scope="col" class="n">Free slots</th>
            </tr></thead>
            <tbody>${rows.slice(0, MOST_ROWS).map(([key, row]) => queueRow(key, row))}</tbody>
          </table>
        </div>
        ${rows.length > MOST_ROWS && html`<p class="quiet">and ${rows.length - MOST_ROWS} more</p>`}`
      }
    </section>
  `;
}

function worstFirst(a: QueueRow, b: QueueRow): number {
  const rank = RANKS.indexOf(a.state) - RANKS.indexOf(b.state);
  return rank || b.oldestS - a.oldestS || b.queued - a.queued || a.model.localeCompare(b.model);
}

function queueRow(key: string, row: QueueRow): VNode {
  const { mark, word } = QUEUE_STATES[row.state];
  return html`
    <tr key=${key} data-queue=${key}>
      <td><span class=${`state ${row.state}`} aria-hidden="true">${mark}</span> ${word}</td>
      <th scope="row">${row.model}${row.isEndpointQueue && html` <small>other endpoints</small>`}</th>
      <td>${row.lane}</td>
      <td class="n">${row.queued}</td>
      <td class="n">${row.queued === 0 ? '–' : seconds(row.oldestS)}</td>
      <td class="n">${row.ready === row.workers ? row.ready : `${row.ready} of ${row.workers}`}</td>
      <td class="n">${row.free} of ${row.slots}</td>
    </tr>
  `;
}
