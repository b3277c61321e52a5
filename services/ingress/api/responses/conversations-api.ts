/** `/v1/conversations` and the items in them. */
import {
  type ConversationRecord,
  conversationAddition,
  conversationCreate,
  conversationUpdate,
  DispatchError,
  type InputItem,
  parseJson,
  publicConversationId,
  readResponsesItems,
} from '@penstock/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Api, Guards } from '../../http/guards.ts';
import { answer } from '../../http/headers.ts';
import { pageOf, readPaging } from '../../http/paging.ts';
import type { Conversations } from './conversations.ts';

interface Route {
  Params: { id: string; item: string };
  Querystring: Record<string, string | undefined>;
}
type ConversationRequest = FastifyRequest<Route>;
type Handler = (request: ConversationRequest) => Promise<object>;

export class ConversationsApi implements Api {
  readonly #conversations: Conversations;

  constructor(conversations: Conversations) {
    this.#conversations = conversations;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    const path = '/v1/conversations';
    const served = (handle: Handler) => async (request: ConversationRequest, reply: FastifyReply) =>
      answer(reply, request, await handle(request));
    app.post<Route>(
      path,
      { onRequest },
      served(request => this.#create(request)),
    );
    app.get<Route>(
      `${path}/:id`,
      { onRequest },
      served(async request => shown(await this.#find(request))),
    );
    app.post<Route>(
      `${path}/:id`,
      { onRequest },
      served(request => this.#update(request)),
    );
    app.delete<Route>(
      `${path}/:id`,
      { onRequest },
      served(request => this.#remove(request)),
    );
    app.get<Route>(
      `${path}/:id/items`,
      { onRequest },
      served(request => this.#list(request)),
    );
    app.post<Route>(
      `${path}/:id/items`,
      { onRequest },
      served(request => this.#add(request)),
    );
    app.get<Route>(
      `${path}/:id/items/:item`,
      { onRequest },
      served(request => this.#item(request)),
    );
    app.delete<Route>(
      `${path}/:id/items/:item`,
      { onRequest },
      served(request => this.#removeItem(request)),
    );
  }

  async #create(request: ConversationRequest): Promise<object> {
    const { items, metadata } = readBody(conversationCreate, request);
    readResponsesItems(items ?? [], 'items');
    return shown(await this.#conversations.create(request.tenant, items ?? [], metadata ?? {}));
  }

  async #update(request: ConversationRequest): Promise<object> {
    const { metadata } = readBody(conversationUpdate, request);
    return shown(await this.#conversations.describe(await this.#find(request), metadata ?? {}));
  }

  async #remove(request: ConversationRequest): Promise<object> {
    const record = await this.#find(request);
    await this.#conversations.remove(record);
    return { id: publicConversationId(record.id), object: 'conversation.deleted', deleted: true };
  }

  async #list(request: ConversationRequest): Promise<object> {
    const paging = readPaging(request.query, 20, 100);
    const items = await this.#conversations.items(await this.#find(request));
    return pageOf(items.reverse(), paging, item => item);
  }

  async #add(request: ConversationRequest): Promise<object> {
    const record = await this.#find(request);
    const { items } = readBody(conversationAddition, request);
    readResponsesItems(items, 'items');
    const added = await this.#conversations.add(record, items);
    const paging = { limit: added.length, order: 'asc', after: null } as const;
    return pageOf(added.reverse(), paging, item => item);
  }

  async #item(request: ConversationRequest): Promise<InputItem> {
    const items = await this.#conversations.items(await this.#find(request));
    const item = items.find(({ id }) => id === request.params.item);
    if (item === undefined) throw new DispatchError('item_not_found');
    return item;
  }

  async #removeItem(request: ConversationRequest): Promise<object> {
    const record = await this.#find(request);
    if (!(await this.#conversations.removeItem(record, request.params.item)))
      throw new DispatchError('item_not_found');
    return shown(record);
  }

  #find(request: ConversationRequest): Promise<ConversationRecord> {
    return this.#conversations.find(request.params.id, request.tenant);
  }
}

function shown({ id, createdAt, metadata }: ConversationRecord): object {
  return { id: publicConversationId(id), object: 'conversation', created_at: createdAt, metadata };
}

/** A body may be left out where nothing in it is required. @throws DispatchError that names the field. */
function readBody<T extends z.ZodType>(schema: T, request: ConversationRequest): z.infer<T> {
  const { body } = request;
  const parsed = schema.safeParse(Buffer.isBuffer(body) && body.length > 0 ? parseJson(body) : {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = (issue?.path ?? []).map(String).join('.');
  if (param === '')
    throw new DispatchError('invalid_request', { message: 'The body must be a JSON object.' });
  throw new DispatchError('invalid_request', { message: `${param}: ${issue?.message}`, param });
}
