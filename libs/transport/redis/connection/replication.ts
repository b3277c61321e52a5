/**
 * Writes that count once replicas have them. Redis confirms a write before it has told its replicas of it, so one that is promoted has
 * forgotten the last of them. WAIT holds up its own connection, which is therefore one of its own; one WAIT serves all writes that
 * were answered before it.
 */
import type { Redis } from 'ioredis';
import { openRedis, type RedisOptions } from './connection.ts';
import { NotReplicated } from './refusal.ts';

/** One WAIT takes no longer, ms. */
const WAIT_MS = 1000;
/** A command that is replicated and changes nothing: WAIT counts from the last command of its own connection that is. */
export const REPLICATED_CHANNEL = 'penstock:replicated';

export class Replication {
  /** Writes that are to be confirmed go by this one. */
  readonly redis: Redis;
  readonly #replicas: number;
  /** Counts lost connections: the next server may have forgotten what the one before confirmed. */
  #epoch = 0;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<number> | null = null;

  /** @param redis of its user, which serves where no replica is waited for. */
  constructor(options: RedisOptions, redis: Redis, role: string) {
    this.#replicas = options.replicas ?? 0;
    this.redis = this.#replicas === 0 ? redis : openRedis(options, `${role}-replicated`);
    if (this.#replicas > 0) this.redis.on('close', () => void this.#epoch++);
  }

  /**
   * Writes, and waits until the replicas have it. Where the connection is lost meanwhile it writes again, so the write has to be one
   * that may be repeated. @param counts whether what was written matters; everything does where absent. @param waits how often a second is waited.
   * @throws NotReplicated where they do not have it in time; the server has.
   */
  async confirmed<T>(
    write: () => Promise<T>,
    counts: (result: T) => boolean = () => true,
    waits = 1,
  ): Promise<T> {
    if (this.#replicas === 0) return write();
    for (;;) {
      const epoch = this.#epoch;
      const result = await write();
      if (!counts(result)) return result;
      let have = 0;
      for (let wait = 0; wait < waits && epoch === this.#epoch && have < this.#replicas; wait++)
        have = await this.#wait();
      if (epoch !== this.#epoch) continue;
      if (have < this.#replicas) throw new NotReplicated(this.#replicas, have);
      return result;
    }
  }

  close(): void {
    this.redis.disconnect();
  }

  /** How many replicas have what was answered before this call. */
  #wait(): Promise<number> {
    this.#next ??= this.#afterCurrent();
    return this.#next;
  }

  /** One that is under way was sent too early. */
  async #afterCurrent(): Promise<number> {
    await this.#current;
    this.#next = null;
    const sent = this.#send();
    this.#current = sent;
    return sent;
  }

  /** Never rejects. */
  async #send(): Promise<number> {
    try {
      const [, waited] =
        (await this.redis.pipeline().publish(REPLICATED_CHANNEL, '').wait(this.#replicas, WAIT_MS).exec()) ??
        [];
      return Number(waited?.[1] ?? 0);
    } catch {
      return 0;
    }
  }
}
