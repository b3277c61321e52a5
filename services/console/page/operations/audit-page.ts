/** What operators did, newest first. */
import type { VNode } from 'preact';
import { html } from '../base/html.ts';
import { useLoaded } from '../base/load.ts';
import { NotLoaded, timeOf } from '../base/parts.ts';

interface Entry {
  readonly at: number;
  readonly who: string;
  readonly ip?: string;
  readonly action: string;
  readonly targets: readonly string[];
  readonly reason: string;
  readonly failures?: readonly string[];
}

export function AuditPage(): VNode {
  const [loaded] = useLoaded<{ entries: Entry[] }>('/api/audit');
  return html`
    <h1>Audit</h1>
    <p class="quiet">What was asked for, written before it was done; what failed or was refused has an entry of its own. Processes tell when they begin. A key is named by the beginning of its digest.</p>
    ${loaded.kind !== 'loaded' && html`<${NotLoaded} loaded=${loaded} />`}
    ${loaded.kind === 'loaded' && loaded.value.entries.length === 0 && html`<p class="panel">Nothing has been done yet.</p>`}
    ${loaded.kind === 'loaded' && loaded.value.entries.length > 0 && html`<${Table} entries=${loaded.value.entries} />`}
  `;
}

function Table({ entries }: { readonly entries: readonly Entry[] }): VNode {
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of actions">
      <table>
        <thead><tr>
          <th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th>
          <th scope="col">To what</th><th scope="col">Reason</th><th scope="col">Failed</th>
        </tr></thead>
        <tbody>${entries.map(
          entry => html`
          <tr>
            <td>${timeOf(entry.at)}</td>
            <td><code>${entry.who}</code>${entry.ip === undefined ? '' : html` from <code>${entry.ip}</code>`}</td>
            <th scope="row">${entry.action.replace('.', ': ')}</th>
            <td class="words">${entry.targets.join(', ')}</td>
            <td class="words">${entry.reason}</td>
            <td class="words">${entry.failures?.join('; ') ?? ''}</td>
          </tr>`,
        )}</tbody>
      </table>
    </div>
  `;
}
