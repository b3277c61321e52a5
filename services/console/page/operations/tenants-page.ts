/** What each tenant uses of its limits, the fullest first, and how often they refused it today. Looks again every few seconds. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import {
  COLUMNS,
  isInColumn,
  type LimitView,
  limitWords,
  partOf,
  refusedWords,
  type TenantRow,
  type TenantsView,
  useWords,
} from '../../shared/tenant-rows.ts';
import { count } from '../../shared/words.ts';
import { html } from '../base/html.ts';
import { useLoaded } from '../base/load.ts';
import { NotLoaded } from '../base/parts.ts';

const LOOK_AGAIN_MS = 5000;

export function TenantsPage(): VNode {
  const [text, setText] = useState('');
  const [loaded, look] = useLoaded<TenantsView>(`/api/tenants?find=${encodeURIComponent(text)}`);
  useEffect(() => {
    const timer = setInterval(() => void look(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [look]);
  const filter = (event: InputEvent) => setText((event.target as HTMLInputElement).value);
  return html`
    <h1>Tenants</h1>
    <form class="filter" onSubmit=${(event: SubmitEvent) => event.preventDefault()}>
      <label for="tenants-find">Filter by id or name</label>
      <input id="tenants-find" type="search" maxlength="200" value=${text} onInput=${filter} placeholder="proj_…" />
    </form>
    ${loaded.kind === 'loaded' ? html`<${Found} view=${loaded.value} isFiltered=${text.trim() !== ''} />` : html`<${NotLoaded} loaded=${loaded} />`}
  `;
}

interface FoundProps {
  readonly view: TenantsView;
  readonly isFiltered: boolean;
}

function Found({ view, isFiltered }: FoundProps): VNode {
  const { tenants, found, looked, most } = view;
  if (tenants.length === 0)
    return html`<p class="panel">${isFiltered ? 'There is none, or it has no limits.' : 'No tenant has limits, or none that has was active within a month.'}</p>`;
  const full = tenants.filter(({ limits }) => limits.some(each => partOf(each) >= 1)).length;
  // A column that nobody has a limit in says nothing.
  const columns = Object.entries(COLUMNS).filter(([name]) =>
    tenants.some(({ limits }) => limits.some(each => each.name === name && isInColumn(each))),
  );
  const more = found > tenants.length ? ` The fullest ${tenants.length} of ${found} are shown.` : '';
  const cut =
    looked >= most
      ? ` Only the ${most} that were active last are looked at: others are found by their id.`
      : '';
  return html`
    <p class="quiet" role="status">${full === 0 ? 'No limit is reached' : `${count(full, 'tenant has', 'tenants have')} reached a limit`}.${more}${cut}</p>
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of tenants">
      <table class="uses">
        <thead><tr>
          <th scope="col">Tenant</th><th scope="col">Refused today (UTC)</th>
          ${columns.map(([column, name]) => html`<th key=${column} scope="col">${name}</th>`)}
          <th scope="col">Other limits</th>
        </tr></thead>
        <tbody>${tenants.map(tenant => html`<${Row} key=${tenant.id} tenant=${tenant} columns=${columns.map(([column]) => column)} />`)}</tbody>
      </table>
    </div>
    <p class="quiet">Used of each limit now; where a cell is empty, there is no such limit. Rates fill again evenly, so what is used of them falls with each second.</p>
  `;
}

interface RowProps {
  readonly tenant: TenantRow;
  readonly columns: readonly string[];
}

function Row({ tenant, columns }: RowProps): VNode {
  const { id, name, limits, refusedToday } = tenant;
  const others = limits.filter(each => !isInColumn(each)).sort((a, b) => partOf(b) - partOf(a));
  const inColumn = (column: string) => limits.find(each => each.name === column && isInColumn(each));
  return html`
    <tr data-row=${id}>
      <th scope="row" class="name">${name !== null && html`${name} `}<small><code>${id}</code></small></th>
      <td class="words" data-field="refused">${refusedWords(refusedToday) || 'none'}</td>
      ${columns.map(column => html`<td key=${column} data-field=${column}><${Use} limit=${inColumn(column)} /></td>`)}
      <td>${others.map(each => html`<${Use} key=${limitWords(each)} limit=${each} isNamed />`)}</td>
    </tr>
  `;
}

interface UseProps {
  readonly limit: LimitView | undefined;
  readonly isNamed?: boolean;
}

function Use({ limit, isNamed = false }: UseProps): VNode | null {
  if (limit === undefined) return null;
  const part = partOf(limit);
  const words = `${isNamed ? `${limitWords(limit)} ` : ''}${useWords(limit)}`;
  return html`
    <div class="use">
      ${part >= 1 ? html`<b>${words}</b>` : html`<span>${words}</span>`}
      ${!limit.isEnforced && html` <small>only counted</small>`}
      <div class=${`bar${part >= 1 ? ' full' : ''}`} aria-hidden="true"><span style=${{ width: `${Math.round(100 * Math.min(1, part))}%` }}></span></div>
    </div>
  `;
}
