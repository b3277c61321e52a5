/**
 * One of several processes acts for all: whoever has a hold that is kept where all of them can ask for it. A holder that cannot renew it stops
 * acting before anybody else may begin, by its own monotonic clock; one that ends lets it go.
 */
import { type Clock, type Logger, oneAtATime } from '@penstock/runtime';
import { HOLD_MS, type NodeNameOptions, RENEW_MS } from './node-name.ts';
import { type ProcessPlace, thisProcess } from './this-process.ts';

/** A holder of a name stops so long before its hold is over, ms. */
const MARGIN_MS = 1500;

/** Where one of them is the holder. */
export interface LeaderHold {
  /** What is led. */
  readonly name: string;
  readonly renewMs: number;
  /** How long its holder may act once it has asked: less than others wait, ms. */
  readonly lastsMs: number;
  /**
   * Takes it where it is free, or renews it.
   * @param askedAt monotonic ms. @returns false where it is another's. @throws Error where that is not known: what was held lasts until it is over.
   */
  take(askedAt: number): Promise<boolean>;
  letGo(): Promise<void>;
}

export class Leadership {
  readonly #hold: LeaderHold;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #log: Pick<Logger, 'info' | 'warn'>;
  /** Monotonic ms; until then nobody else acts. */
  #until = Number.NEGATIVE_INFINITY;
  #led = false;
  #isOver = false;
  #timer: NodeJS.Timeout | null = null;
  /** Never rejects: what was held lasts until it is over. */
  readonly campaign = oneAtATime(() => this.#campaign());

  constructor(hold: LeaderHold, clock: Pick<Clock, 'monotonic'>, log: Pick<Logger, 'info' | 'warn'>) {
    this.#hold = hold;
    this.#clock = clock;
    this.#log = log;
  }

  get isLeader(): boolean {
    return this.#clock.monotonic() < this.#until;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.campaign(), this.#hold.renewMs);
    await this.campaign();
  }

  async #campaign(): Promise<void> {
    const { name, lastsMs } = this.#hold;
    const askedAt = this.#clock.monotonic();
    const isHeld = await this.#hold.take(askedAt).catch(() => null);
    if (this.#isOver) return isHeld ? this.#hold.letGo() : undefined;
    if (isHeld !== null) this.#until = isHeld ? askedAt + lastsMs : Number.NEGATIVE_INFINITY;
    const leads = this.isLeader;
    if (leads !== this.#led)
      this.#log[leads ? 'info' : 'warn']({ name }, leads ? 'leads from now on' : 'leads no more');
    this.#led = leads;
  }

  /** Also what is being asked for at this moment is let go once it is had. */
  async stop(): Promise<void> {
    this.#isOver = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    const led = this.isLeader;
    this.#until = Number.NEGATIVE_INFINITY;
    // What cannot be let go is over by itself in a moment.
    if (led) await this.#hold.letGo().catch(() => {});
  }
}

export interface LeaderNameOptions {
  readonly nodes: NodeNameOptions['nodes'];
  /** `scaler:eu` */
  readonly name: string;
  readonly nonce: string;
  readonly here?: ProcessPlace;
}

/** A name in Redis. */
export class LeaderName implements LeaderHold {
  readonly renewMs = RENEW_MS;
  readonly lastsMs = HOLD_MS - MARGIN_MS;
  readonly #o: LeaderNameOptions;
  #beats = 0;

  constructor(options: LeaderNameOptions) {
    this.#o = options;
  }

  get name(): string {
    return this.#o.name;
  }

  async take(): Promise<boolean> {
    const { nodes, name, nonce, here = thisProcess() } = this.#o;
    const other = await nodes.hold(name, { ...here, nonce, beats: ++this.#beats }, HOLD_MS);
    return other === null;
  }

  letGo(): Promise<void> {
    return this.#o.nodes.letGo(this.#o.name, this.#o.nonce);
  }
}
