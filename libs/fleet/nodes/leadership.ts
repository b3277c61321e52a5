/**
 * One of several processes acts for all: whoever holds a name in Redis. A holder that cannot renew its hold stops acting before anybody else may
 * begin, by its own monotonic clock; one that ends frees the name.
 */
import type { Clock, Logger } from '@penstock/runtime';
import { HOLD_MS, type Holder, type NodeNameOptions, RENEW_MS } from './node-name.ts';
import { type ProcessPlace, thisProcess } from './this-process.ts';

/** A holder stops so long before its hold is over, ms. */
const MARGIN_MS = 1500;

export interface LeadershipOptions {
  readonly nodes: NodeNameOptions['nodes'];
  /** What is led: `scaler:eu`. */
  readonly name: string;
  readonly nonce: string;
  readonly here?: ProcessPlace;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export class Leadership {
  readonly #o: LeadershipOptions;
  /** Monotonic ms; until then nobody else acts. */
  #until = Number.NEGATIVE_INFINITY;
  #beats = 0;
  #led = false;
  #isAsking = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LeadershipOptions) {
    this.#o = options;
  }

  get isLeader(): boolean {
    return this.#o.clock.monotonic() < this.#until;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.campaign(), RENEW_MS);
    await this.campaign();
  }

  /** Takes the name where it is free, or renews the hold. Never rejects. */
  async campaign(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { nodes, name, nonce, here = thisProcess(), clock, log } = this.#o;
    const askedAt = clock.monotonic();
    const holder: Holder = { ...here, nonce, beats: ++this.#beats };
    const other = await nodes.hold(name, holder, HOLD_MS).catch(() => undefined);
    this.#isAsking = false;
    if (other === null) this.#until = askedAt + HOLD_MS - MARGIN_MS;
    else if (other !== undefined) this.#until = Number.NEGATIVE_INFINITY;
    const leads = this.isLeader;
    if (leads !== this.#led)
      log[leads ? 'info' : 'warn']({ name }, leads ? 'leads from now on' : 'leads no more');
    this.#led = leads;
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    const led = this.isLeader;
    this.#until = Number.NEGATIVE_INFINITY;
    if (led) await this.#o.nodes.letGo(this.#o.name, this.#o.nonce).catch(() => {});
  }
}
