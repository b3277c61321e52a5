/** `POST /v1/responses/compact`: the model is asked to summarise a conversation, and its client goes on from the summary. Nothing is stored. */
import {
  type Compaction,
  compactionObject,
  DispatchError,
  JSON_CONTENT_TYPE,
  keptItems,
  opsOfCompletion,
  type ResultMeta,
  readChunk,
  readCompactRequest,
} from '@penstock/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Dispatcher } from '../../dispatch/dispatcher.ts';
import type { Api, Guards } from '../../http/guards.ts';
import { isKeyed } from '../../intake/idempotency.ts';
import { NO_PREFERENCES } from '../../intake/preferences.ts';
import type { ReplySink, Served } from '../../replies/reply-sink.ts';
import type { ResponseIntake } from './response-intake.ts';

export interface CompactOptions {
  readonly responseIntake: ResponseIntake;
  readonly dispatcher: Dispatcher;
}

const KEYED = {
  message:
    'Idempotency-Key cannot be used here: compactions are not stored, so a repeated one would run again.',
  param: 'Idempotency-Key',
};

export class CompactApi implements Api {
  readonly #o: CompactOptions;

  constructor(options: CompactOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    app.post('/v1/responses/compact', { onRequest }, (request, reply) => this.#compact(request, reply));
  }

  async #compact(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (isKeyed(request)) throw new DispatchError('invalid_request', KEYED);
    const { responseIntake, dispatcher } = this.#o;
    const given = await responseIntake.read(request, readCompactRequest);
    const chat = responseIntake.toChat(given, false);
    const { asked, before, media, acceptedAt } = given;
    const kept = keptItems([...before.earlier, ...asked.input]);
    const compaction = { id: request.id, createdAt: acceptedAt, kept };
    const bytesOf = (made: object) => media.restore(JSON.stringify(made));
    await dispatcher.dispatch('chat', chat, request, reply, {
      preferences: NO_PREFERENCES,
      chain: before.root,
      isShownLater: true,
      reshape: sink => new CompactReply(sink, compaction, bytesOf),
      conversion: 'refuse',
    });
  }
}

/** The engine's summary becomes a compaction. */
class CompactReply implements ReplySink {
  readonly #to: ReplySink;
  readonly #compaction: Omit<Compaction, 'summary' | 'usage'>;
  readonly #bytesOf: (made: object) => Buffer;

  constructor(
    to: ReplySink,
    compaction: Omit<Compaction, 'summary' | 'usage'>,
    bytesOf: (made: object) => Buffer,
  ) {
    this.#to = to;
    this.#compaction = compaction;
    this.#bytesOf = bytesOf;
  }

  /** What is not streamed has no events. */
  events(): void {}
  end(): void {}

  result(meta: ResultMeta, body: Buffer, served: Served): void {
    if (meta.status !== 200) return this.#to.result(meta, body, served);
    const completion = readChunk(body.toString('utf8'));
    const { usage } = completion;
    const summary = opsOfCompletion(completion)
      .map(op => (op[0] === 't' ? op[1] : ''))
      .join('');
    if (summary.trim() === '') return this.#to.error(noSummary(), served);
    const made = compactionObject({ ...this.#compaction, summary, usage });
    this.#to.result({ status: 200, contentType: JSON_CONTENT_TYPE }, this.#bytesOf(made), served);
  }

  error(error: DispatchError, served: Served | null): void {
    this.#to.error(error, served);
  }

  waiting(waitedMs: number): void {
    this.#to.waiting(waitedMs);
  }
}

/** An empty one would lose the conversation. */
function noSummary(): DispatchError {
  return new DispatchError('engine_error', {
    message: 'The model wrote no summary of the conversation. Try again, or compact with another model.',
  });
}
