/**
 * Anthropic's Messages API. Where all workers of a model have engines that speak it, requests are passed to them. Else a request becomes a chat
 * completion, and its answer a message on its way out, so that every engine serves it. Nothing is stored: the API has no way to come back for an answer.
 */
import {
  DispatchError,
  elideMedia,
  exactJson,
  type MessageBase,
  parseJson,
  readCountRequest,
  readMessagesRequest,
  withFields,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { dialectOf } from '../http/errors.ts';
import type { Api, Guards } from '../http/guards.ts';
import { answer, publicRequestId } from '../http/headers.ts';
import { isKeyed } from '../intake/idempotency.ts';
import { NO_PREFERENCES } from '../intake/preferences.ts';
import type { InferenceRequest, Intake, ModelCatalogue } from '../intake/understand.ts';
import { MessageReply, PassedMessageReply } from '../replies/message-reply.ts';
import type { ReplySink } from '../replies/reply-sink.ts';
import { TokenCountReply } from '../replies/token-count-reply.ts';

export interface MessagesOptions {
  readonly intake: Intake;
  readonly models: Pick<ModelCatalogue, 'isEverywhere' | 'queueFor'>;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
}

const KEYED = {
  message: 'Idempotency-Key cannot be used here: messages are not stored, so a repeated one would run again.',
  param: 'Idempotency-Key',
};
/** Endpoints that count tokens, the better first. */
const COUNTERS = ['messageTokens', 'tokenize'] as const;
/** The client is held for as long as it likes. */
const HELD = { preferences: NO_PREFERENCES, conversion: 'refuse' } as const;

export class MessagesApi implements Api {
  readonly #o: MessagesOptions;

  constructor(options: MessagesOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    const path = '/v1/messages';
    app.post(path, { onRequest }, (request, reply) => this.#create(request, reply));
    app.post(`${path}/count_tokens`, { onRequest }, (request, reply) => this.#count(request, reply));
  }

  async #create(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { intake, models, dispatcher, clock } = this.#o;
    const acceptedAt = clock.now();
    if (isKeyed(request)) throw new DispatchError('invalid_request', KEYED);
    const { body, parsed, exact, bytesOf } = bodyOf(request);
    const { chat, stopSequences } = readMessagesRequest(parsed, exact);
    const read = intake.readMade('chat', bytesOf(chat), acceptedAt, request.caller.permissions);
    const requestId = publicRequestId(request);
    if (models.isEverywhere(read.model, 'messages')) {
      // Another engine could not go on with the events of this one.
      const { name } = read.model;
      const own = (parsed as { model: string }).model === name ? body : withFields(body, { model: name });
      const asked = { ...read, body: own, summary: { ...read.summary, continuable: false } };
      const reshape = (sink: ReplySink) => new PassedMessageReply(sink, requestId);
      return dispatcher.dispatch('messages', asked, request, reply, { ...HELD, reshape });
    }
    const base = baseOf(request.id, read);
    const reshape = (sink: ReplySink) => new MessageReply(sink, base, stopSequences, requestId);
    await dispatcher.dispatch('chat', read, request, reply, { ...HELD, reshape });
  }

  async #count(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { intake, models, dispatcher, clock } = this.#o;
    const acceptedAt = clock.now();
    const { body, parsed, exact, bytesOf } = bodyOf(request);
    const { permissions } = request.caller;
    const { tool_choice: _choice, ...prompt } = readCountRequest(parsed, exact);
    const { model, promptTokens: estimate } = intake.readMade(
      'chat',
      bytesOf(prompt),
      acceptedAt,
      permissions,
    );
    const endpoint = COUNTERS.find(name => models.queueFor(model, name) !== null);
    if (endpoint === undefined)
      return answer(reply.headers(dialectOf(request).headers), request, { input_tokens: estimate });
    const asked = endpoint === 'messageTokens' ? body : bytesOf(prompt);
    const read = intake.readMade(endpoint, asked, acceptedAt, permissions);
    const reshape = (sink: ReplySink) =>
      new TokenCountReply(sink, estimate, tokens => ({ input_tokens: tokens }));
    return dispatcher.dispatch(endpoint, read, request, reply, { ...HELD, reshape });
  }
}

/**
 * The parsed body, with markers in place of large media; the same with its long numbers intact; and how JSON is made of what is made of it.
 * @throws DispatchError where it is not JSON.
 */
function bodyOf({ body }: FastifyRequest) {
  if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
  const { bytes, restore } = elideMedia(body);
  const parsed = parseJson(bytes);
  const bytesOf = (made: object) => restore(JSON.stringify(made));
  return { body, parsed, exact: exactJson(bytes, parsed), bytesOf };
}

function baseOf(id: string, { summary, promptTokens }: InferenceRequest): MessageBase {
  return { id: `msg_${id}`, model: summary.model, inputTokens: promptTokens };
}
