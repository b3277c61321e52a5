/**
 * The name of an ingress, held in Redis while its process lives. Two processes of one name would each answer for the other's requests: replies
 * would reach the wrong one, and workers would hear that what they run is not wanted.
 *
 * **free** → *take* → **held**, renewed every second. A holder that was killed is replaced at once by a process of the same machine, which can see
 * that it is gone, and within {@link HOLD_MS} by any other; one that renews its hold lives, and the newcomer is refused. A holder that finds
 * another's hold was paused for longer than its own lasted: the name is **lost**, and the process has to end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isGone, type ProcessPlace } from './this-process.ts';

/** A hold that is not renewed for so long is over, ms. */
export const HOLD_MS = 5000;
/** How often it is renewed, ms. */
export const RENEW_MS = 1000;
const LOOK_MS = 250;

export interface Holder extends ProcessPlace {
  readonly nonce: string;
  readonly beats: number;
}

export interface NodeNameOptions {
  readonly nodes: {
    hold(name: string, holder: Holder, ttlMs: number, instead?: string): Promise<Holder | null>;
    letGo(name: string, nonce: string): Promise<void>;
  };
  /** What is held: of one kind of process, unlike other kinds'. */
  readonly name: string;
  readonly nonce: string;
  readonly here: ProcessPlace;
  readonly pause?: (ms: number) => Promise<unknown>;
}

/** Another process has the name, and lives. */
export class NameTaken extends Error {
  override readonly name = 'NameTaken';
  /** It goes on living: waiting is of no use. */
  readonly isLasting = true;
  constructor(holder: Holder) {
    super(
      `another process has this name (process ${holder.pid} on ${holder.host}): give each its own, or none, and one is made`,
    );
  }
}

export class NodeName {
  readonly #o: NodeNameOptions;
  #beats = 0;
  #isRenewing = false;
  #isHeld = false;

  constructor(options: NodeNameOptions) {
    this.#o = options;
  }

  /** Resolves once the name is held; waits where a dead process still holds it. @throws NameTaken */
  async take(): Promise<void> {
    const { here, pause = sleep } = this.#o;
    let first: Holder | null = null;
    for (;;) {
      const holder = await this.#hold(first !== null && isGone(first, here) ? first.nonce : '');
      if (holder === null) break;
      if (first !== null && (holder.nonce !== first.nonce || holder.beats !== first.beats))
        throw new NameTaken(holder);
      const mayBeDead = first === null && isGone(holder, here);
      first = holder;
      if (!mayBeDead) await pause(LOOK_MS);
    }
    this.#isHeld = true;
  }

  /** To be called every {@link RENEW_MS}. @returns who has the name now, where it was lost. */
  async renew(): Promise<Holder | null> {
    if (this.#isRenewing || !this.#isHeld) return null;
    this.#isRenewing = true;
    try {
      const holder = await this.#hold('');
      if (holder !== null) this.#isHeld = false;
      return holder;
    } catch {
      // Redis is away or refuses: it is asked again in a second.
      return null;
    } finally {
      this.#isRenewing = false;
    }
  }

  async letGo(): Promise<void> {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    await this.#o.nodes.letGo(this.#o.name, this.#o.nonce);
  }

  #hold(instead: string): Promise<Holder | null> {
    const { nodes, name, nonce, here } = this.#o;
    return nodes.hold(name, { ...here, nonce, beats: this.#beats++ }, HOLD_MS, instead);
  }
}
