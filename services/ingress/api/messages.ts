/**
 * Anthropic's Messages API. A request becomes a chat completion, and its answer a message on its way out, so that every engine serves it and
 * a stream goes on where its worker died. Nothing is stored: the API has no way to come back for an answer.
 */
import {
  DispatchError,
  estimatePromptTokens,
  exactJson,
  type MessageBase,
  parseJson,
  readCountRequest,
  readMessagesRequest,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { dialectOf } from '../http/errors.ts';
import type { Api, Guards } from '../http/guards.ts';
import { answer, publicRequestId } from '../http/headers.ts';
import { NO_PREFERENCES } from '../intake/preferences.ts';
import type { InferenceRequest, Intake, ModelCatalogue } from '../intake/understand.ts';
import { MessageReply } from '../replies/message-reply.ts';
import { TokenCountReply } from '../replies/token-count-reply.ts';

export interface MessagesOptions {
  readonly intake: Intake;
  readonly models: Pick<ModelCatalogue, 'queueFor'>;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
}

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
    const { intake, dispatcher, clock } = this.#o;
    const acceptedAt = clock.now();
    const { chat, stopSequences } = readMessagesRequest(...bodyOf(request));
    const read = intake.understand('chat', bytesOf(chat), chat, acceptedAt);
    const requestId = publicRequestId(request);
    const base = baseOf(request.id, read);
    await dispatcher.dispatch('chat', read, request, reply, {
      ...HELD,
      reshape: sink => new MessageReply(sink, base, stopSequences, requestId),
    });
  }

  async #count(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { intake, models, dispatcher, clock } = this.#o;
    const acceptedAt = clock.now();
    const { tool_choice: _choice, ...prompt } = readCountRequest(...bodyOf(request));
    const { model, promptTokens } = intake.understand('chat', bytesOf(prompt), prompt, acceptedAt);
    const tools = prompt['tools'] === undefined ? '' : JSON.stringify(prompt['tools']);
    const estimate = promptTokens + estimatePromptTokens(tools.length);
    if (models.queueFor(model, 'tokenize') === null)
      return answer(reply.headers(dialectOf(request).headers), request, { input_tokens: estimate });
    const read = intake.understand('tokenize', bytesOf(prompt), prompt, acceptedAt);
    return dispatcher.dispatch('tokenize', read, request, reply, {
      ...HELD,
      reshape: sink => new TokenCountReply(sink, estimate),
    });
  }
}

/** The parsed body, and the same with its long numbers intact. @throws DispatchError where it is no JSON. */
function bodyOf({ body }: FastifyRequest): [unknown, unknown] {
  if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
  const parsed = parseJson(body);
  return [parsed, exactJson(body, parsed)];
}

function bytesOf(body: object): Buffer {
  return Buffer.from(JSON.stringify(body));
}

function baseOf(id: string, { summary, promptTokens }: InferenceRequest): MessageBase {
  return { id: `msg_${id}`, model: summary.model, inputTokens: promptTokens };
}
