/** Reads a request for a response: from its bytes, and what is stored of the conversation before it, to what an engine is asked. */
import type { Permissions } from '@penstock/access';
import {
  type ConversationRecord,
  DispatchError,
  ElidedMedia,
  exactJson,
  parseJson,
  type ResponsesRequest,
  readResponsesRequest,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { FastifyRequest } from 'fastify';
import { refuseTier } from '../../intake/permitted.ts';
import type { InferenceRequest, Intake } from '../../intake/understand.ts';
import type { Conversations } from './conversations.ts';
import type { History, ResponseHistory } from './history.ts';

/** The engine streams whatever is logged while it runs. */
const STREAMED = { stream: true, stream_options: { include_usage: true } } as const;

export interface ReadRequest {
  /** Unix ms. */
  readonly acceptedAt: number;
  /** Its input has items in the places of references, and markers in those of large media. */
  readonly asked: ResponsesRequest;
  readonly before: History;
  /** The conversation it is made in, if any. */
  readonly conversation: ConversationRecord | null;
  /** The large media of it and of what it builds on. */
  readonly media: ElidedMedia;
  readonly permissions: Permissions;
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

  /**
   * @param readBody of a request that is like one for a response.
   * @throws DispatchError for an invalid body, or where something that it builds on is not there.
   */
  async read(
    { body, tenant, caller }: FastifyRequest,
    readBody: typeof readResponsesRequest = readResponsesRequest,
  ): Promise<ReadRequest> {
    const { history, clock } = this.#o;
    const acceptedAt = clock.now();
    if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
    const media = new ElidedMedia();
    const bytes = media.elide(body);
    const parsed = parseJson(bytes);
    const given = readBody(parsed, exactJson(bytes, parsed));
    refuseTier(caller.permissions, given.tier);
    const { before, conversation } = await this.#before(given, tenant, media);
    const input = await history.resolve(given.input, tenant, before.earlier);
    const { permissions } = caller;
    return { acceptedAt, asked: { ...given, input }, before, conversation, media, permissions };
  }

  async #before({ previousId, conversationId }: ResponsesRequest, tenant: string, media: ElidedMedia) {
    const { history, conversations } = this.#o;
    if (conversationId === null)
      return { before: await history.read(previousId, tenant, media), conversation: null };
    const conversation = await conversations.find(conversationId, tenant);
    const earlier = await conversations.items(conversation, media, () => {
      throw new DispatchError('conversation_locked', { param: 'conversation' });
    });
    return { before: { earlier, root: `conversation:${conversation.id}` }, conversation };
  }

  /** The chat completion that the engine is asked for. @throws DispatchError where no worker has the model. */
  toChat(
    { asked, before, conversation, acceptedAt, media, permissions }: ReadRequest,
    isLogged: boolean,
  ): InferenceRequest {
    const { history, intake } = this.#o;
    const made = { ...asked.chatOf([...before.earlier, ...asked.input]), ...(isLogged ? STREAMED : {}) };
    const body = media.restore(JSON.stringify(made));
    history.assertFits(body.length);
    const read = intake.readMade('chat', body, acceptedAt, permissions);
    const summary = asked.store ? read.summary : { ...read.summary, keepsNothing: true };
    return { ...read, summary, ...(conversation === null ? {} : { partOf: conversation.id }) };
  }
}
