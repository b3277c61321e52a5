/** The page an operator keeps open: what is late, where, and why. */
import type { VNode } from 'preact';
import type { IngressRow, RegionState, Sample } from '../../shared/region-state.ts';
import { byName, number } from '../../shared/words.ts';
import { html } from '../base/html.ts';
import { Charts } from './charts.ts';
import { QueueTable } from './queue-table.ts';
import { Tiles } from './tiles.ts';
import { WorkerGrid } from './worker-grid.ts';

/** More workers than this get the whole width, and smaller cells. */
const MANY = 120;
const SEVERITIES = { late: ['!', 'Late'], warn: ['▲', 'Unusual'], ok: ['●', 'Well'] } as const;

export function Now({
  state,
  samples,
}: {
  readonly state: RegionState;
  readonly samples: readonly Sample[];
}): VNode {
  const { incident } = state;
  const [mark, word] = SEVERITIES[incident.severity];
  return html`
    <h1 class="unseen">Now</h1>
    <p class=${`incident ${incident.severity}`} role="status">
      <span class="mark" aria-hidden="true">${mark}</span><span class="unseen">${word}: </span>${incident.text}
    </p>
    <${Tiles} totals=${state.totals} targetTtftS=${state.targetTtftS} />
    <${Charts} samples=${samples} targetTtftS=${state.targetTtftS} />
    <div class=${Object.keys(state.workers).length > MANY ? 'columns many' : 'columns'}>
      <${QueueTable} queues=${state.queues} />
      <${WorkerGrid} workers=${state.workers} />
    </div>
    <${IngressTable} ingress=${state.ingress} />
  `;
}

function IngressTable({ ingress }: { readonly ingress: RegionState['ingress'] }): VNode {
  const rows = Object.entries(ingress).sort(byName);
  return html`
    <section class="panel" aria-labelledby="ingress">
      <h2 id="ingress">Ingress nodes</h2>
      ${
        rows.length === 0
          ? html`<p>None is heard.</p>`
          : html`
        <div class="scroll" tabindex="0" role="group" aria-label="Table of ingress nodes">
          <table>
            <thead><tr>
              <th scope="col">Node</th><th scope="col">State</th>
              <th scope="col" class="n">Open</th><th scope="col" class="n">Arrivals</th>
              <th scope="col" class="n">First tokens</th><th scope="col">Finished</th>
            </tr></thead>
            <tbody>${rows.map(([name, row]) => ingressRow(name, row))}</tbody>
          </table>
        </div>`
      }
    </section>
  `;
}

function ingressRow(name: string, row: IngressRow): VNode {
  const finished = Object.entries(row.finished).map(([outcome, n]) => `${outcome.replaceAll('_', ' ')} ${n}`);
  return html`
    <tr key=${name} data-ingress=${name}>
      <th scope="row">${name}</th>
      <td>${row.state === 'up' ? '● up' : `× silent for ${number(row.silentS ?? 0)} s`}</td>
      <td class="n" data-field="open">${row.open}</td>
      <td class="n" data-field="arrivals">${row.arrivals}</td>
      <td class="n" data-field="firstTokens">${row.firstTokens}</td>
      <td data-field="finished">${finished.join(' · ')}</td>
    </tr>
  `;
}
