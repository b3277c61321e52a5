/** The life of one request, for whoever made it: where it waited, who took it, what failed. Kept for a short time, and not of every request. */
import {
  DispatchError,
  isFinalStatus,
  isToken,
  type RunOutline,
  type TrailEvent,
  trailInWords,
} from '@penstock/protocol';
import type { RequestTrails, RunStore } from '@penstock/transport';
import type { FastifyInstance } from 'fastify';
import type { OpenRequests } from '../dispatch/open-requests.ts';
import type { Api, Guards } from '../http/guards.ts';
import { answer } from '../http/headers.ts';

export interface RequestsOptions {
  readonly open: Pick<OpenRequests, 'get'>;
  readonly trails: Pick<RequestTrails, 'read'>;
  readonly runs: Pick<RunStore, 'outlines'>;
}

/** What ids have before them where clients see them. */
const PREFIX = /^(req_|resp_|chatcmpl-)/;
const ABSENT =
  'Nothing is known of this request. The id is the header x-penstock-request-id of its answer. Requests that failed, one of a hundred others (PENSTOCK_TRAIL_SAMPLE) and jobs are known, for an hour.';

export class RequestsApi implements Api {
  readonly #o: RequestsOptions;

  constructor(options: RequestsOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit }: Guards): void {
    app.get<{ Params: { id: string } }>('/v1/requests/:id', { onRequest: admit }, async (request, reply) => {
      const id = request.params.id.replace(PREFIX, '');
      const found = isToken(id) ? await this.#find(id, request.tenant) : null;
      if (found === null) throw new DispatchError('not_found', { message: ABSENT });
      return answer(reply, request, { object: 'request', id, ...found });
    });
  }

  /** Null for what is not known, and for what another tenant asked. */
  async #find(id: string, tenant: string): Promise<object | null> {
    const { open, trails, runs } = this.#o;
    const live = open.get(id)?.trail?.events ?? null;
    const events = live ?? (await trails.read(id));
    const [run = null] = live === null ? await runs.outlines([id]) : [];
    const owner = run?.tenant ?? events.find(event => event.tenant !== undefined)?.tenant;
    if (owner !== tenant) return null;
    const all = run === null ? events : [...events, ...eventsOf(run, events)];
    const hasEnded = all.some(({ kind }) => kind === 'ended');
    return {
      status: run?.status ?? (hasEnded ? 'ended' : 'open'),
      events: trailInWords(all).map(({ event, afterMs, text }) => ({
        ...shown(event),
        ...{ after_ms: Math.round(afterMs), text },
      })),
    };
  }
}

/** What the record of a stored run says that its trail may lack. */
function eventsOf(run: RunOutline, known: readonly TrailEvent[]): TrailEvent[] {
  const { createdAt, endpoint, model, status, finishedAt, worker } = run;
  const endedAt = finishedAt || createdAt;
  const has = (kind: TrailEvent['kind']) => known.some(event => event.kind === kind);
  const own = { by: 'record', endpoint, model } as const;
  return [
    ...(has('accepted') ? [] : [{ ...own, kind: 'accepted' as const, at: createdAt }]),
    ...(has('ended') || !isFinalStatus(status)
      ? []
      : [
          {
            ...{ kind: 'ended' as const, at: endedAt, by: worker ?? 'record' },
            ...{ reason: status, ms: endedAt - createdAt },
          },
        ]),
  ];
}

/** The tenant knows who it is. */
function shown({ tenant: _, promptTokens, ...event }: TrailEvent): object {
  return { ...event, ...(promptTokens === undefined ? {} : { prompt_tokens: Math.round(promptTokens) }) };
}
