/** Projects and keys that were read lately, in memory: asked for with every request, and read again only after a change. */
import { DispatchError } from '@penstock/protocol';
import { within } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';
import type { RecordVersion } from './record-version.ts';

/** How long a request waits for the store, ms. */
const PATIENCE_MS = 1000;
const RETRY_AFTER_MS = 2000;

export interface KnownRecordsOptions<T> {
  readonly store: Pick<ProjectRecords, 'connected'>;
  readonly version: Pick<RecordVersion, 'current' | 'isConfirmed' | 'unconfirmedMs'>;
  /** Reads one; null where there is none. */
  readonly read: (id: string) => Promise<T | null>;
  /** While the store is away, what is known goes on counting for so long. */
  readonly graceMs: number;
  /** Kept in memory; those that were read first go first. */
  readonly most: number;
}

interface Entry<T> {
  readonly value: T;
  /** When it was read, or an earlier one. */
  readonly version: number;
}

export class KnownRecords<T> {
  readonly #o: KnownRecordsOptions<T>;
  readonly #entries = new Map<string, Entry<T>>();
  /** Reads under way: many requests with one key wait for one. */
  readonly #reading = new Map<string, Promise<T | null>>();

  constructor(options: KnownRecordsOptions<T>) {
    this.#o = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Null where there is none. @throws DispatchError `keys_unavailable` where nobody can say. */
  get(id: string): T | null | Promise<T | null> {
    const entry = this.#entries.get(id);
    const { version } = this.#o;
    if (entry !== undefined && version.isConfirmed && entry.version === version.current) return entry.value;
    return this.#readOnce(id).catch(() => this.#remembered(entry));
  }

  #readOnce(id: string): Promise<T | null> {
    const under = this.#reading.get(id);
    if (under !== undefined) return under;
    const reading = this.#read(id).finally(() => this.#reading.delete(id));
    this.#reading.set(id, reading);
    return reading;
  }

  async #read(id: string): Promise<T | null> {
    // Not asked: the question would wait for the store, and questions of those who guess keys would pile up.
    if (!this.#o.store.connected) throw new Error('the store is away');
    const version = this.#o.version.current;
    const value = await within(PATIENCE_MS, this.#o.read(id));
    this.#entries.delete(id);
    if (value !== null) this.#keep(id, { value, version });
    return value;
  }

  #keep(id: string, entry: Entry<T>): void {
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= this.#o.most && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(id, entry);
  }

  #remembered(entry: Entry<T> | undefined): T {
    if (entry !== undefined && this.#o.version.unconfirmedMs <= this.#o.graceMs) return entry.value;
    throw new DispatchError('keys_unavailable', { retryAfterMs: RETRY_AFTER_MS });
  }
}
