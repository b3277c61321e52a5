/** The conversations of this node's clients: items that are added, and those of the responses made in them. */
import {
  type ConversationEntry,
  type ConversationRecord,
  conversationIdIn,
  DispatchError,
  type ElidedMedia,
  type InputItem,
  isFinalStatus,
  publicConversationId,
  publicId,
  type StoredRun,
  toInputItems,
} from '@penstock/protocol';
import type { RunFinder } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';
import type { ConversationRecords } from '@penstock/transport';
import type { StoreRoom } from '../../intake/store-room.ts';
import { itemsOf } from '../../runs/response-view.ts';

const MAX_ENTRIES = 10_000;

/** @property id never missing, and no other's within the conversation. */
export type ConversationItem = InputItem & { readonly id: string };

export interface ConversationsOptions {
  readonly records: ConversationRecords;
  readonly storeRoom: Pick<StoreRoom, 'pass'>;
  readonly runs: Pick<RunFinder, 'find' | 'refresh'>;
  /** Deletes what is left of responses that have failed for good. @param partOf their conversation. */
  readonly dropDead: (partOf: string) => Promise<void>;
  /** From the last addition. */
  readonly ttlMs: number;
  readonly maxBytes: number;
  readonly nextId: () => string;
  readonly clock: Clock;
}

export class Conversations {
  readonly #o: ConversationsOptions;

  constructor(options: ConversationsOptions) {
    this.#o = options;
  }

  async create(
    tenant: string,
    items: readonly InputItem[],
    metadata: ConversationRecord['metadata'],
  ): Promise<ConversationRecord> {
    const { records, ttlMs, nextId, clock } = this.#o;
    const record = { id: nextId(), tenant, createdAt: Math.floor(clock.now() / 1000), metadata };
    await records.create(record, ttlMs);
    await this.add(record, items);
    return record;
  }

  /** @param id as the client knows it. @throws DispatchError, the same for unknown, deleted and another tenant's. */
  async find(id: string, tenant: string): Promise<ConversationRecord> {
    const own = conversationIdIn(id);
    const record = own === null ? null : await this.#o.records.record(own);
    if (record === null || record.tenant !== tenant)
      throw new DispatchError('conversation_not_found', {
        message: `Conversation with id '${id.slice(0, 64)}' not found.`,
      });
    return record;
  }

  async describe(record: ConversationRecord, metadata: ConversationRecord['metadata']) {
    if (!(await this.#o.records.describe(record.id, metadata))) throw missing(record);
    return { ...record, metadata };
  }

  async remove({ id }: ConversationRecord): Promise<void> {
    await this.#o.dropDead(id);
    await this.#o.records.remove(id);
  }

  /** @returns the items as they are listed. @throws DispatchError where it is full, or gone meanwhile. */
  async add(record: ConversationRecord, items: readonly InputItem[]): Promise<ConversationItem[]> {
    if (items.length === 0) return [];
    const added = toInputItems(items, `item_${this.#o.nextId()}`);
    await this.#append(
      record,
      added.map(item => ({ item })),
    );
    return added;
  }

  /** Notes a response that is on its way; its items come when it is over. */
  addRun(record: ConversationRecord, runId: string): Promise<void> {
    return this.#append(record, [{ run: runId }]);
  }

  async #append(record: ConversationRecord, entries: readonly ConversationEntry[]): Promise<void> {
    const { records, ttlMs, maxBytes, storeRoom } = this.#o;
    storeRoom.pass();
    const limits = { ttlMs, maxEntries: MAX_ENTRIES, maxBytes };
    const texts = entries.map(entry => JSON.stringify(entry));
    const outcome = await records.add(record, texts, limits);
    if (outcome === 'missing') throw missing(record);
    if (outcome === 'full')
      throw new DispatchError('body_too_large', {
        message: `A conversation may have ${MAX_ENTRIES} items of together ${maxBytes} bytes. Begin a new one with what matters of it.`,
        param: 'conversation',
      });
  }

  /**
   * All items, oldest first; those of responses that are not over are not among them.
   * @param media gets the large ones of the items, which have markers in their places; absent: they stay there.
   * @param isBusy called where there is such a response.
   */
  async items(
    record: ConversationRecord,
    media: ElidedMedia | null = null,
    isBusy = () => {},
  ): Promise<ConversationItem[]> {
    // An addition whose answer from Redis was lost may be there twice.
    const items = new Map<string, ConversationItem>();
    for (const text of await this.#o.records.entries(record)) {
      const read = media === null ? text : media.elide(Buffer.from(text)).toString('utf8');
      const entry = JSON.parse(read) as ConversationEntry;
      const found = 'item' in entry ? [entry.item] : await this.#itemsOfRun(record, text, entry.run);
      if (found === null) isBusy();
      for (const item of found ?? []) items.set(String(item['id']), item as ConversationItem);
    }
    return [...items.values()];
  }

  /** Null while the response is not over. One that failed, was cancelled or deleted leaves nothing. */
  async #itemsOfRun(
    record: ConversationRecord,
    text: string,
    id: string,
  ): Promise<readonly InputItem[] | null> {
    const { runs, records } = this.#o;
    const run = await runs
      .find(publicId({ kind: 'response', id }), record.tenant, 'response')
      .then((found): Promise<StoredRun> => runs.refresh(found))
      .catch(unlessMissing);
    if (run !== null && !isFinalStatus(run.status)) return null;
    const items = run?.result?.status === 200 ? itemsOf(run) : [];
    await records.replace(
      record,
      text,
      items.map(item => JSON.stringify({ item })),
    );
    return items;
  }

  /** Deletes an item. @returns whether it was there. */
  async removeItem(record: ConversationRecord, id: string): Promise<boolean> {
    // What is still a response's becomes items first.
    await this.items(record);
    for (const text of await this.#o.records.entries(record)) {
      const entry = JSON.parse(text) as ConversationEntry;
      if (!('item' in entry) || entry.item['id'] !== id) continue;
      await this.#o.records.replace(record, text, []);
      return true;
    }
    return false;
  }
}

function missing(record: ConversationRecord): DispatchError {
  const id = publicConversationId(record.id);
  return new DispatchError('conversation_not_found', { message: `Conversation with id '${id}' not found.` });
}

function unlessMissing(err: unknown): null {
  if (err instanceof DispatchError) return null;
  throw err;
}
