/**
 * Every endpoint of OpenAI's kind in the table (`libs/protocol/wire/endpoints.ts`): answered while the client waits, or stored for it as a job where it asks
 * for that (`Prefer: respond-async`) or may ask for the same answer again (`Idempotency-Key`).
 */
import { decideTier } from '@penstock/policy';
import { ENDPOINT_TABLE, ENDPOINTS, type Endpoint, publicId } from '@penstock/protocol';
import type { AnswerKeeper } from '@penstock/runs';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ConversionPlan } from '../dispatch/conversion.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Api, Guards } from '../http/guards.ts';
import type { FormReader } from '../intake/form-body.ts';
import { isKeyed } from '../intake/idempotency.ts';
import { type Preferences, readPreferences } from '../intake/preferences.ts';
import type { InferenceRequest, Intake } from '../intake/understand.ts';
import { ChatReply } from '../replies/chat-reply.ts';
import type { ReplySink } from '../replies/reply-sink.ts';
import { completionDetail, completionLabels } from '../runs/completion-view.ts';
import { jobDetail, jobObject, locationOf } from '../runs/job-view.ts';
import type { PollHints } from '../runs/poll-hints.ts';
import { runCallOf } from '../runs/run-call.ts';
import type { RunIntake } from '../runs/run-intake.ts';
import { shownCallOf } from '../runs/shown-call.ts';
import type { JobsApi } from './jobs.ts';

export interface InferenceOptions {
  readonly intake: Intake;
  readonly forms: FormReader;
  readonly dispatcher: Dispatcher;
  readonly jobs: JobsApi;
  readonly runIntake: RunIntake;
  readonly pollHints: PollHints;
  readonly keeper: AnswerKeeper;
}

/** Endpoints of Anthropic's API are served by {@link MessagesApi}. */
function isServed(endpoint: Endpoint, body: 'json' | 'form'): boolean {
  const row = ENDPOINT_TABLE[endpoint];
  return row.api === 'openai' && row.body === body;
}

type Create = (endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

function isJob({ respondAsync }: Preferences, request: FastifyRequest): boolean {
  return respondAsync || isKeyed(request);
}

export class InferenceApi implements Api {
  readonly #o: InferenceOptions;

  constructor(options: InferenceOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest, takeForms }: Guards): void {
    const serve = (scope: FastifyInstance, body: 'json' | 'form', create: Create) => {
      for (const endpoint of ENDPOINTS.filter(name => isServed(name, body)))
        for (const path of ENDPOINT_TABLE[endpoint].paths)
          scope.post(path, { onRequest }, (request, reply) => create(endpoint, request, reply));
    };
    serve(app, 'json', async (...call) => this.#create(...call));
    void app.register(async scope => {
      takeForms(scope);
      serve(scope, 'form', (...call) => this.#createOfForm(...call));
    });
  }

  #create(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { intake, dispatcher } = this.#o;
    const preferences = readPreferences(request.headers['prefer']);
    const choose = isJob(preferences, request) ? undefined : dispatcher.chooserFor(endpoint, request);
    const read = intake.read(endpoint, request.body, request.caller.permissions, choose);
    if (isJob(preferences, request)) return this.#o.jobs.accept(endpoint, read, request, reply, preferences);
    return this.#dispatch(endpoint, read, request, reply, preferences);
  }

  /** Of a form that is in the store nothing may be left where it is refused. */
  async #createOfForm(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { intake, forms, jobs } = this.#o;
    const form = await forms.receive(request);
    const orDiscard = async <T>(step: () => T | Promise<T>): Promise<T> => {
      try {
        return await step();
      } catch (err) {
        await forms.discard(request, form);
        throw err;
      }
    };
    const read = await orDiscard(() => intake.readForm(endpoint, form, request.caller.permissions));
    const preferences = readPreferences(request.headers['prefer']);
    if (isJob(preferences, request)) return jobs.accept(endpoint, read, request, reply, preferences);
    return orDiscard(() => this.#dispatch(endpoint, read, request, reply, preferences));
  }

  #dispatch(
    endpoint: Endpoint,
    read: InferenceRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    preferences: Preferences,
  ): Promise<void> {
    return this.#o.dispatcher.dispatch(endpoint, read, request, reply, {
      preferences,
      reshape: this.#reshape(endpoint, read, request),
      isShownLater: read.summary.store,
      // A stream is never converted.
      conversion: read.summary.stream ? 'refuse' : this.#conversion(endpoint, read, request),
    });
  }

  #conversion(endpoint: Endpoint, read: InferenceRequest, request: FastifyRequest): ConversionPlan {
    const { runIntake, pollHints } = this.#o;
    const { store, tier } = read.summary;
    const { used } = decideTier(tier, true);
    const record =
      endpoint === 'chat' && store
        ? {
            kind: 'completion' as const,
            detail: read.restore(completionDetail(read.parsed, used)),
            labels: completionLabels(read.parsed),
          }
        : { kind: 'job' as const, detail: jobDetail(endpoint, tier, used) };
    const about = { ...record, log: 'none', lane: 'interactive' } as const;
    const run = runIntake.newRun(endpoint, read, runCallOf(request), about);
    return {
      run,
      location: locationOf(run),
      describe: stored => ({
        body: jobObject(stored),
        headers: { 'x-penstock-job': run.id, ...pollHints.headers(stored) },
      }),
    };
  }

  /** Only a chat completion that is stored or names its tier differs from the engine's answer. */
  #reshape(endpoint: Endpoint, read: InferenceRequest, request: FastifyRequest) {
    const { store, tier } = read.summary;
    if (endpoint !== 'chat' || (!store && tier === null)) return null;
    const { used } = decideTier(tier, true);
    const stored = store ? this.#storing(read, request, used) : null;
    return (sink: ReplySink) => new ChatReply(sink, { tier: used, stored });
  }

  /** How the completion of a call whose client waits for it is stored. */
  #storing(read: InferenceRequest, request: FastifyRequest, tier: string) {
    const call = shownCallOf(read, request, read.restore(completionDetail(read.parsed, tier)));
    const labels = completionLabels(read.parsed);
    const kept = { ...call, kind: 'completion', labels, status: 'completed', logged: null } as const;
    const keep = (completion: object) => this.#o.keeper.keep({ ...kept, completion });
    return {
      id: publicId({ kind: 'completion', id: request.id }),
      metadata: labels,
      keep,
    };
  }
}
