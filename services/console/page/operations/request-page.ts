/** The latest requests that are known, and the life of one: what happened to it, when and why, as a waterfall. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { REQUEST_STATES, type RequestRow, seconds } from '../../shared/words.ts';
import { html } from '../base/html.ts';
import { useLoaded } from '../base/load.ts';
import { entriesOf, type Fact, NotLoaded, timeOf } from '../base/parts.ts';

interface LifeEvent {
  readonly kind: string;
  readonly by: string;
  readonly after_ms: number;
  readonly text: string;
}

interface Life {
  readonly id: string;
  readonly events: readonly LifeEvent[];
  readonly run: {
    readonly kind: string;
    readonly tenant: string;
    readonly model: string;
    readonly endpoint: string;
    readonly lane: string | null;
    readonly status: string;
    readonly attempts: number;
    readonly created_at: number;
    readonly deadline_at: number;
    readonly finished_at: number | null;
  } | null;
}

/** @param id of the address; empty where none is looked for. */
export function RequestPage({ id }: { readonly id: string }): VNode {
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    const given = String(new FormData(event.target as HTMLFormElement).get('id')).trim();
    location.hash = `/requests/${encodeURIComponent(given)}`;
  };
  return html`
    <h1>Requests</h1>
    <form class="filter" onSubmit=${find}>
      <label for="request-id">Request by its id</label>
      <input id="request-id" name="id" type="search" required value=${id} placeholder="x-penstock-request-id" />
      <button type="submit">Find</button>
    </form>
    ${id === '' ? html`<${Latest} />` : html`<${Found} key=${id} id=${id} />`}
  `;
}

function Latest(): VNode {
  const [filter, setFilter] = useState({ text: '', state: '' });
  const query = new URLSearchParams(filter);
  const [loaded, look] = useLoaded<{ requests: RequestRow[]; most: number }>(`/api/requests?${query}`);
  const change = (event: Event) => {
    const { name, value } = event.target as HTMLInputElement | HTMLSelectElement;
    setFilter(before => ({ ...before, [name]: value }));
  };
  return html`
    <div class="filter">
      <label for="request-text">Filter by tenant or model</label>
      <input id="request-text" name="text" type="search" value=${filter.text} onInput=${change} />
      <label for="request-state">State</label>
      <select id="request-state" name="state" onChange=${change}>
        <option value="">any</option>
        ${Object.entries(REQUEST_STATES).map(([state, { word }]) => html`<option key=${state} value=${state} selected=${state === filter.state}>${word}</option>`)}
      </select>
      <button type="button" onClick=${look}>Look again</button>
    </div>
    ${loaded.kind !== 'loaded' && html`<${NotLoaded} loaded=${loaded} />`}
    ${loaded.kind === 'loaded' && html`<${Rows} rows=${loaded.value.requests} most=${loaded.value.most} />`}
    <p class="quiet">Requests that failed, a sample of the others and jobs are known, for an hour. Every answer names its request in the header <code>x-penstock-request-id</code>.</p>
  `;
}

function Rows({ rows, most }: { readonly rows: readonly RequestRow[]; readonly most: number }): VNode {
  if (rows.length === 0) return html`<p class="panel">There is none.</p>`;
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="Table of requests">
      <table>
        <thead><tr>
          <th scope="col">Request</th><th scope="col">State</th><th scope="col">Tenant</th><th scope="col">Model</th>
          <th scope="col">Endpoint</th><th scope="col">Came</th><th scope="col" class="n">Took</th><th scope="col">Last</th>
        </tr></thead>
        <tbody>${rows.map(requestRow)}</tbody>
      </table>
    </div>
    ${rows.length === most && html`<p class="quiet">The newest ${most}: filter them to see others.</p>`}
  `;
}

function requestRow({ id, state, tenant, model, endpoint, at, ms, last }: RequestRow): VNode {
  const { mark, word } = REQUEST_STATES[state];
  return html`
    <tr key=${id} data-row=${id}>
      <th scope="row"><a href=${`#/requests/${id}`}><code>${id}</code></a></th>
      <td class=${state}>${mark} ${word}</td>
      <td>${tenant === null ? 'not known' : html`<code>${tenant}</code>`}</td>
      <td>${model ?? 'not known'}</td>
      <td>${endpoint ?? 'not known'}</td>
      <td>${timeOf(at)}</td>
      <td class="n">${seconds(ms / 1000)}</td>
      <td class="words">${last}</td>
    </tr>
  `;
}

function Found({ id }: { readonly id: string }): VNode {
  const [loaded] = useLoaded<Life>(`/api/requests/${encodeURIComponent(id)}`);
  if (loaded.kind !== 'loaded') return html`<${NotLoaded} loaded=${loaded} />`;
  const { events, run } = loaded.value;
  return html`
    <div class="life">
      ${events.length > 0 ? html`<${Waterfall} events=${events} />` : html`<p class="panel">Its record is there, but no trail of what happened to it.</p>`}
      ${run !== null && html`<${Record} run=${run} />`}
    </div>
  `;
}

/** Each bar is the time since what happened before. */
function Waterfall({ events }: { readonly events: readonly LifeEvent[] }): VNode {
  const whole = Math.max(1, events.at(-1)?.after_ms ?? 1);
  const part = (ms: number) => `${(100 * ms) / whole}%`;
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-label="What happened">
      <table>
        <thead><tr><th scope="col" class="n">After</th><th scope="col" class="fall">Since the last</th><th scope="col">What</th><th scope="col">Says</th></tr></thead>
        <tbody>${events.map(({ after_ms: after, text, by }, i) => {
          const before = events[i - 1]?.after_ms ?? 0;
          return html`
            <tr>
              <td class="n">${seconds(after / 1000)}</td>
              <td class="fall"><span class="span" style=${{ left: part(before), width: part(after - before) }}></span><span class="unseen">${seconds((after - before) / 1000)}</span></td>
              <th scope="row" class="words">${text}</th>
              <td>${by}</td>
            </tr>`;
        })}</tbody>
      </table>
    </div>
  `;
}

function Record({ run }: { readonly run: NonNullable<Life['run']> }): VNode {
  const facts: Fact[] = [
    ['Record', `${run.kind.replaceAll('_', ' ')}, ${run.status.replaceAll('_', ' ')}`],
    ['Attempts', String(run.attempts)],
    ['Model', run.model],
    ['Endpoint', run.lane === null ? run.endpoint : `${run.endpoint}, ${run.lane} lane`],
    ['Created', timeOf(run.created_at)],
    run.finished_at === null ? ['Deadline', timeOf(run.deadline_at)] : ['Finished', timeOf(run.finished_at)],
  ];
  return html`
    <section class="panel details" aria-label="Record">
      <dl>
        ${entriesOf(facts)}
        <div><dt>Tenant</dt><dd><a href=${`#/webhooks/${run.tenant}`}>${run.tenant}</a></dd></div>
      </dl>
    </section>
  `;
}
