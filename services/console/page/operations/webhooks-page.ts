/** Webhook endpoints of one tenant: whether each gets its events, and what was sent to it. */
import type { VNode } from 'preact';
import { html } from '../base/html.ts';
import { useLoaded } from '../base/load.ts';
import { entriesOf, type Fact, NotLoaded, timeOf } from '../base/parts.ts';
import { SelectAll, type Selection, SelectionBar, SelectOne, useSelection } from './act.ts';

interface Endpoint {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly url: string;
  readonly event_types: readonly string[];
  readonly status: string;
  readonly disabled_reason: string | null;
  readonly consecutive_failures: number;
  readonly paused_until: number | null;
}

interface Delivery {
  readonly id: string;
  readonly event_type: string;
  readonly resource_id: string;
  readonly created_at: number;
  readonly status: string;
  readonly attempts: readonly {
    readonly attempted_at: number;
    readonly status_code: number | null;
    readonly error: string | null;
  }[];
}

const PLANS = [
  {
    ...{ action: 'webhook.redeliver', verb: 'Redeliver', thing: 'event' },
    about:
      'They are sent again, with up to ten attempts. A receiver that took them before gets them twice, under the same event id.',
  },
];

export interface WebhooksPageProps {
  /** Of a tenant or an endpoint, as the address says; empty where none is looked for. */
  readonly of: string;
  readonly mayAct: boolean;
}

export function WebhooksPage({ of, mayAct }: WebhooksPageProps): VNode {
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    const given = String(new FormData(event.target as HTMLFormElement).get('of')).trim();
    location.hash = `/webhooks/${encodeURIComponent(given)}`;
  };
  return html`
    <h1>Webhooks</h1>
    <form class="filter" onSubmit=${find}>
      <label for="webhooks-of">Tenant, or endpoint by its id</label>
      <input id="webhooks-of" name="of" type="search" required value=${of} placeholder="whe_…" />
      <button type="submit">Find</button>
    </form>
    ${
      of === ''
        ? html`<p class="panel">A tenant is named by the first 16 digits of the SHA-256 of its API key; its batches and its requests show it.</p>`
        : html`<${Endpoints} key=${of} of=${of} mayAct=${mayAct} />`
    }
  `;
}

function Endpoints({ of, mayAct }: WebhooksPageProps): VNode {
  const [loaded] = useLoaded<{ endpoints: Endpoint[] }>(`/api/webhooks/${encodeURIComponent(of)}`);
  if (loaded.kind !== 'loaded') return html`<${NotLoaded} loaded=${loaded} />`;
  return html`<div class="life">${loaded.value.endpoints.map(
    endpoint => html`<${OneEndpoint} key=${endpoint.id} endpoint=${endpoint} mayAct=${mayAct} />`,
  )}</div>`;
}

function OneEndpoint({ endpoint, mayAct }: { readonly endpoint: Endpoint; readonly mayAct: boolean }): VNode {
  const {
    id,
    name,
    url,
    event_types: types,
    status,
    disabled_reason: why,
    consecutive_failures: failures,
  } = endpoint;
  const path = `/api/webhooks/${id}/deliveries`;
  const [loaded, look] = useLoaded<{ total: number; deliveries: Delivery[] }>(path);
  const selection = useSelection();
  const acted = () => {
    selection.clear();
    void look();
  };
  const paused =
    endpoint.paused_until === null ? '' : `, paused until ${timeOf(1000 * endpoint.paused_until)}`;
  const facts: Fact[] = [
    ['State', why === null ? `${status}${paused}` : `${status}: ${why.replaceAll('_', ' ')}`],
    ['Address', url],
    ['Events', types.join(', ')],
    ['Failures', failures === 0 ? 'none since the last success' : `${failures} in a row`],
  ];
  return html`
    <section class="panel details" aria-label=${`Endpoint ${id}`}>
      <h2>${name} <small><code>${id}</code></small></h2>
      <dl>${entriesOf(facts)}</dl>
      <p><button type="button" onClick=${look}>Look again</button></p>
      ${mayAct && html`<${SelectionBar} selected=${selection.selected} plans=${PLANS} onActed=${acted} />`}
      ${loaded.kind === 'failed' && html`<p class="problem" role="alert">${loaded.problem}</p>`}
      ${loaded.kind === 'loaded' && loaded.value.deliveries.length === 0 && html`<p>Nothing was sent within the last week.</p>`}
      ${loaded.kind === 'loaded' && loaded.value.deliveries.length > 0 && html`<${Deliveries} of=${id} deliveries=${loaded.value.deliveries} selection=${mayAct ? selection : null} />`}
    </section>
  `;
}

interface DeliveriesProps {
  readonly of: string;
  readonly deliveries: readonly Delivery[];
  readonly selection: Selection | null;
}

function Deliveries({ of, deliveries, selection }: DeliveriesProps): VNode {
  const ids = deliveries.map(({ id }) => id);
  return html`
    <div class="scroll" tabindex="0" role="group" aria-label=${`What was sent to ${of}`}>
      <table>
        <thead><tr>
          ${selection && html`<${SelectAll} selection=${selection} ids=${ids} label=${`Select all of ${of}`} />`}
          <th scope="col">Event</th><th scope="col">Of</th><th scope="col">When</th><th scope="col">State</th>
          <th scope="col" class="n">Attempts</th><th scope="col">The last</th>
        </tr></thead>
        <tbody>${deliveries.map(
          ({ id, event_type: type, resource_id: resource, created_at: at, status, attempts }) => html`
          <tr key=${id} data-row=${id}>
            ${selection && html`<${SelectOne} selection=${selection} id=${id} />`}
            <th scope="row">${type}</th>
            <td><code>${resource}</code></td>
            <td>${timeOf(1000 * at)}</td>
            <td>${status}</td>
            <td class="n">${attempts.length}</td>
            <td class="words">${lastWords(attempts.at(-1))}</td>
          </tr>`,
        )}</tbody>
      </table>
    </div>
  `;
}

function lastWords(attempt: Delivery['attempts'][number] | undefined): string {
  if (attempt === undefined) return 'none yet';
  return attempt.status_code === null
    ? (attempt.error ?? 'no answer').replaceAll('_', ' ')
    : `answered ${attempt.status_code}`;
}
