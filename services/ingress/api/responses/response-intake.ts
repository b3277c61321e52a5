/** Reads a request for a response: from its bytes, and what is stored of the conversation before it, to what an engine is asked. */
import {
  type ConversationRecord,
  DispatchError,
  exactJson,
  parseJson,
  type ResponsesRequest,
  readResponsesRequest,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { FastifyRequest } from 'fastify';
import type { InferenceRequest, Intake } from '../../intake/understand.ts';
import type { Conversations } from './conversations.ts';
import type { History, ResponseHistory } from './history.ts';

/** The engine streams whatever is logged while it runs. */
const STREAMED = { stream: true, stream_options: { include_usage: true } } as const;

export interface ReadRequest {
  /** Unix ms. */
  readonly acceptedAt: number;
  /** Its input has items in the places of references. */
  readonly asked: ResponsesRequest;
  readonly before: History;
  /** The conversation it is made in, if any. */
  readonly conversation: ConversationRecord | null;
}

export interface ResponseIntakeOptions {
  readonly intake: Intake;
  readonly history: ResponseHistory;
  readonly conversations: Conversations;
  readonly clock: Clock;
}

export class ResponseIntake {
  readonly #o: ResponseIntakeOptions;

  constructor(options: ResponseIntakeOptions) {
    this.#o = options;
  }

  /** @throws DispatchError for an invalid body, or where something that it builds on is not there. */
  async read({ body, tenant }: FastifyRequest): Promise<ReadRequest> {
    const { history, clock } = this.#o;
    const acceptedAt = clock.now();
    if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
    const parsed = parseJson(body);
    const given = readResponsesRequest(parsed, exactJson(body, parsed));
    const { before, conversation } = await this.#before(given, tenant);
    const input = await history.resolve(given.input, tenant, before.earlier);
    return { acceptedAt, asked: { ...given, input }, before, conversation };
  }

  async #before({ previousId, conversationId }: ResponsesRequest, tenant: string) {
    const { history, conversations } = this.#o;
    if (conversationId === null)
      return { before: await history.read(previousId, tenant), conversation: null };
    const conversation = await conversations.find(conversationId, tenant);
    const earlier = await conversations.items(conversation, () => {
      throw new DispatchError('conversation_locked', { param: 'conversation' });
    });
    return { before: { earlier, root: `conversation:${conversation.id}` }, conversation };
  }

  /** The chat completion that the engine is asked for. @throws DispatchError where no worker has the model. */
  toChat({ asked, before, acceptedAt }: ReadRequest, isLogged: boolean): InferenceRequest {
    const { history, intake } = this.#o;
    const made = { ...asked.chatOf([...before.earlier, ...asked.input]), ...(isLogged ? STREAMED : {}) };
    const body = Buffer.from(JSON.stringify(made));
    history.assertFits(body.length);
    // Where a long number is opaque in it, the bytes are read again.
    return intake.understand('chat', body, asked.isPlain ? made : parseJson(body), acceptedAt);
  }
}
