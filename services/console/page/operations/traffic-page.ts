/** Where requests were offered in the last minute and why, and how much of their prompts was found in caches. */
import type { VNode } from 'preact';
import type { PromptRow, Traffic } from '../../shared/region-state.ts';
import { number, percent } from '../../shared/words.ts';
import { html } from '../base/html.ts';

export function TrafficPage({ traffic }: { readonly traffic: Traffic }): VNode {
  const placements = Object.entries(traffic.placements).sort(([, a], [, b]) => b - a);
  const prompts = Object.entries(traffic.prompts).sort(([, a], [, b]) => b.tokens - a.tokens);
  return html`
    <h1>Traffic</h1>
    <h2>Where requests went in the last minute</h2>
    ${placements.length === 0 ? html`<p class="panel">No request came in the last minute.</p>` : html`<${Placements} of=${placements} />`}
    <h2>Prompts in caches</h2>
    ${prompts.length === 0 ? html`<p class="panel">No prompt was answered in the last minute.</p>` : html`<${Prompts} of=${prompts} />`}
    <p class="quiet">Expected is what dispatch believed when it chose; found is what engines report. Expected far above found: engines forget sooner than they say, or do not tell.</p>
  `;
}

function Placements({ of }: { readonly of: readonly (readonly [why: string, requests: number])[] }): VNode {
  const all = of.reduce((sum, [, requests]) => sum + requests, 0);
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of placements">
      <table>
        <thead><tr><th scope="col">Why</th><th scope="col" class="n">Requests</th><th scope="col">Share</th></tr></thead>
        <tbody>${of.map(
          ([why, requests]) => html`
          <tr key=${why}>
            <th scope="row" class="words">${why}</th>
            <td class="n">${requests}</td>
            <td><progress aria-label="Share of the requests" max=${all} value=${requests}></progress> ${percent(requests / all)}</td>
          </tr>`,
        )}</tbody>
      </table>
    </div>
  `;
}

function Prompts({ of }: { readonly of: readonly (readonly [model: string, row: PromptRow])[] }): VNode {
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of prompts">
      <table>
        <thead><tr>
          <th scope="col">Model</th><th scope="col" class="n">Prompt tokens</th>
          <th scope="col" class="n">Expected in a cache</th><th scope="col">Found there</th>
        </tr></thead>
        <tbody>${of.map(
          ([model, { tokens, expected, cached }]) => html`
          <tr key=${model} data-row=${model}>
            <th scope="row">${model}</th>
            <td class="n">${number(tokens)}</td>
            <td class="n">${percent(expected / tokens)}</td>
            <td><progress aria-label="Found in a cache" max=${tokens} value=${cached}></progress> <span data-field="found">${percent(cached / tokens)}</span></td>
          </tr>`,
        )}</tbody>
      </table>
    </div>
  `;
}
