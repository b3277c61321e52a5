import type { ConversationRecord } from '@penstock/protocol';

/** Which conversation, and whose. */
export type ConversationName = Pick<ConversationRecord, 'id' | 'tenant'>;

/** Conversations and their entries, each entry a JSON text of its own. They end a time after the last addition. */
export interface ConversationRecords {
  create(record: ConversationRecord, ttlMs: number): Promise<void>;
  record(id: string): Promise<ConversationRecord | null>;
  /** Oldest first; nothing of a conversation that is not there. */
  entries(of: ConversationName): Promise<string[]>;
  /** @returns false where it is not there. */
  describe(id: string, metadata: ConversationRecord['metadata']): Promise<boolean>;
  add(
    to: ConversationName,
    entries: readonly string[],
    limits: ConversationLimits,
  ): Promise<'added' | 'missing' | 'full'>;
  /** Puts others in the place of an entry. Nothing happens where it is not there any more. */
  replace(of: ConversationName, entry: string, by: readonly string[]): Promise<void>;
  remove(id: string): Promise<void>;
  close(): Promise<void>;
}

export interface ConversationLimits {
  readonly ttlMs: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
}
