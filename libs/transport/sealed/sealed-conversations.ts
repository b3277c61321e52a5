import type {
  ConversationLimits,
  ConversationName,
  ConversationRecords,
} from '../ports/conversation-records.ts';
import type { Seals } from '../ports/sealing/seals.ts';
import { openedText, sealedText } from './sealed-text.ts';

const ENTRY_FIELD = 'entry';

export class SealedConversations implements ConversationRecords {
  readonly #records: ConversationRecords;
  readonly #seals: Seals;

  constructor(records: ConversationRecords, seals: Seals) {
    this.#records = records;
    this.#seals = seals;
  }

  create(...args: Parameters<ConversationRecords['create']>): ReturnType<ConversationRecords['create']> {
    return this.#records.create(...args);
  }

  record(...args: Parameters<ConversationRecords['record']>): ReturnType<ConversationRecords['record']> {
    return this.#records.record(...args);
  }

  async entries(of: ConversationName): Promise<string[]> {
    return this.#openAll(of, await this.#records.entries(of));
  }

  describe(
    ...args: Parameters<ConversationRecords['describe']>
  ): ReturnType<ConversationRecords['describe']> {
    return this.#records.describe(...args);
  }

  /** Of the limits, that of bytes is of entries as they are kept: a third more where they are sealed. */
  async add(to: ConversationName, entries: readonly string[], limits: ConversationLimits) {
    return this.#records.add(to, await this.#sealAll(to, entries), limits);
  }

  /** No two that are sealed are alike, so it is looked for among those that are there. */
  async replace(of: ConversationName, entry: string, by: readonly string[]): Promise<void> {
    const kept = await this.#records.entries(of);
    const found = kept[(await this.#openAll(of, kept)).indexOf(entry)];
    if (found !== undefined) await this.#records.replace(of, found, await this.#sealAll(of, by));
  }

  remove(...args: Parameters<ConversationRecords['remove']>): ReturnType<ConversationRecords['remove']> {
    return this.#records.remove(...args);
  }

  close(): Promise<void> {
    return this.#records.close();
  }

  async #sealAll({ id, tenant }: ConversationName, entries: readonly string[]): Promise<string[]> {
    const sealer = await this.#seals.sealer(tenant, recordOf(id));
    return entries.map(entry => sealedText(entry, ENTRY_FIELD, sealer));
  }

  #openAll({ id, tenant: project }: ConversationName, entries: readonly string[]): Promise<string[]> {
    const place = { project, record: recordOf(id), field: ENTRY_FIELD };
    return Promise.all(entries.map(entry => openedText(this.#seals, place, entry)));
  }
}

function recordOf(id: string): string {
  return `conversation:${id}`;
}
