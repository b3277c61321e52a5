/** What webhooks need of the world, as the services see it. No vendor type appears here. */
import type { EventType } from '@penstock/protocol';

/** Something that became final. */
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
 * Events that happened and are not handed out yet. Promises: each entry is read by somebody until somebody is done with
 * it. Does *not* promise that only one reads it: handing out must be repeatable.
 */
export interface EventOutbox {
  /** New ones, as soon as there are any; none after `waitMs`. Rejects while the server is away. */
  next(waitMs: number): Promise<OutboxEvent[]>;
  /** What others took and did not get done with. */
  abandoned(): Promise<OutboxEvent[]>;
  done(entries: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
