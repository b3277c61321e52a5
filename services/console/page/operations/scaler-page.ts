/** The pools that are scaled, and what was decided of them and why, newest first. Looks again every few seconds. */
import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import {
  changeWords,
  type DecisionView,
  KIND_MARKS,
  LIMIT_WORDS,
  type PoolView,
  REASON_WORDS,
  type ScalerView,
} from '../../shared/scaler-view.ts';
import { html } from '../base/html.ts';
import { useLoaded } from '../base/load.ts';
import { NotLoaded, timeOf } from '../base/parts.ts';

const LOOK_AGAIN_MS = 5000;
/** A scaler tells of itself in each round. */
const QUIET_AFTER_S = 90;

export function ScalerPage(): VNode {
  const [loaded, look] = useLoaded<ScalerView>('/api/scaler');
  useEffect(() => {
    const timer = setInterval(() => void look(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [look]);
  if (loaded.kind !== 'loaded') return html`<h1>Scaler</h1><${NotLoaded} loaded=${loaded} />` as VNode;
  const { state, decisions } = loaded.value;
  return html`
    <h1>Scaler</h1>
    <${Standing} state=${state} />
    ${state !== null && html`<${Pools} pools=${state.pools} />`}
    <h2>Decisions</h2>
    ${decisions.length === 0 ? html`<p class="panel">Nothing has been decided yet.</p>` : html`<${Decisions} of=${decisions} />`}
    <p class="quiet">A row for each change, and for each new reason not to change. Load, need and capacity are in slots of speed 1.</p>
  `;
}

function Standing({ state }: Pick<ScalerView, 'state'>): VNode {
  if (state === null)
    return html`<p class="panel">No scaler has told of itself within the last hour: workers stay as they are.</p>`;
  const { by, driver, trouble, ageS } = state;
  return html`
    <p class="quiet"><code>${by}</code> decides; ${driver === 'advise' ? 'it only advises, and nobody is told to start or end workers' : `driver ${driver}`}.</p>
    ${ageS > QUIET_AFTER_S && html`<p class="panel problem" role="alert">It has been silent for ${ageS} s: workers stay as they are until a scaler decides again.</p>`}
    ${trouble !== undefined && html`<p class="panel problem" role="alert">The driver cannot be relied on: ${trouble}. Workers stay as they are.</p>`}
  `;
}

function Pools({ pools }: { readonly pools: readonly PoolView[] }): VNode {
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of pools">
      <table>
        <thead><tr>
          <th scope="col">Pool</th><th scope="col" class="n">Wanted</th><th scope="col" class="n">Ready</th>
          <th scope="col" class="n">Starting</th><th scope="col" class="n">Draining</th>
          <th scope="col" class="n">Start takes</th><th scope="col" class="n">An hour</th>
        </tr></thead>
        <tbody>${pools.map(
          ({ pool, wanted, ready, starting, overdue, draining, startS, pricePerHour }) => html`
          <tr key=${pool} data-row=${pool}>
            <th scope="row">${pool}</th>
            <td class="n">${wanted}</td>
            <td class="n" data-field="ready">${ready}</td>
            <td class="n">${starting}${overdue > 0 ? `, ${overdue} overdue` : ''}</td>
            <td class="n">${draining.length}</td>
            <td class="n">${startS.toFixed(0)} s</td>
            <td class="n">${pricePerHour === 0 ? '' : (pricePerHour * (ready + starting + draining.length)).toFixed(2)}</td>
          </tr>`,
        )}</tbody>
      </table>
    </div>
  `;
}

function Decisions({ of }: { readonly of: readonly DecisionView[] }): VNode {
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of decisions">
      <table>
        <thead><tr>
          <th scope="col">When</th><th scope="col">Models</th><th scope="col">Workers</th><th scope="col">Why</th>
          <th scope="col" class="n">Load</th><th scope="col" class="n">Expected</th><th scope="col" class="n">Waiting</th><th scope="col" class="n">Capacity</th>
        </tr></thead>
        <tbody>${of.map(
          decision => html`
          <tr key=${`${decision.at} ${decision.models.join()}`}>
            <td>${timeOf(decision.at)}</td>
            <td class="words">${decision.models.join(', ')}</td>
            <th scope="row">${KIND_MARKS[decision.kind]} ${changeWords(decision)}</th>
            <td class="words">${whyWords(decision)}</td>
            ${['load', 'expected', 'waiting', 'capacity'].map(name => html`<td class="n">${(decision.inputs[name] ?? 0).toFixed(0)}</td>`)}
          </tr>`,
        )}</tbody>
      </table>
    </div>
  `;
}

function whyWords({ reason, limit, trouble }: DecisionView): string {
  const words = [REASON_WORDS[reason] ?? reason];
  if (limit !== null) words.push(LIMIT_WORDS[limit] ?? limit);
  if (trouble !== undefined) words.push(trouble);
  return words.join('; ');
}
