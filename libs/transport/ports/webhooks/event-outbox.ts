import type { EventType } from '@penstock/protocol';

/** Something became final. */
export interface OutboxEvent {
  /** Name of the entry, for {@link EventOutbox.done}. */
  readonly entry: string;
  readonly tenant: string;
  /** Null for a type that this version does not know. */
  readonly type: EventType | null;
  readonly resource: string;
  /** When it happened, Unix ms, by the server's clock. */
  readonly at: number;
}

/**
 * Events that have happened and have not been fanned out to endpoints yet. Promises: each entry is read until somebody
 * reports it done. Does *not* promise that only one process reads it: fanning out has to be repeatable.
 */
export interface EventOutbox {
  /** New entries as soon as there are any; none after `waitMs`. Rejects while the server is away. */
  next(waitMs: number): Promise<OutboxEvent[]>;
  /** Entries that other processes have taken and not reported done in time. */
  abandoned(): Promise<OutboxEvent[]>;
  done(entries: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
