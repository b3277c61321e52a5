import { replyChannel, replyLog } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import { isAnswering } from './connection.ts';

/** How often a listener compares the end of the log with the last packet it saw. */
const TIP_CHECK_MS = 1000;
const CATCH_UP_BATCH = 256;
/** Before a catch-up that failed is tried again, ms: doubled each time, up to the second one. */
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1000;

/**
 * Follows one ingress' log, by the channel while it flows and by reading while it does not.
 *
 * **live**: packets come by the channel, in log order; `#last` is the id of the newest one handed on.
 * **catching up** (from a lost subscription until its successor is confirmed and the log read to its end, and when the
 * end of the log stays ahead of `#last`): channel packets only raise `#seen`; the log is read from `#last` until it has
 * given everything up to `#seen`. Going live any earlier would skip what was published before the new subscription. One
 * that fails, since its connection broke or Redis refused it, is tried again until it has gone well: nothing else would end the silence.
 */
export class ReplyListener {
  readonly #log: Redis;
  readonly #sub: Redis;
  readonly #key: string;
  readonly #channel: string;
  readonly #onPacket: (packet: Buffer) => void;
  #last = '0-0';
  #seen = '0-0';
  #live = false;
  /** Counts lost subscriptions: a catch-up that began under an older one gives up. */
  #epoch = 0;
  #timer: NodeJS.Timeout | null = null;
  #checkedTip = '0-0';

  constructor(log: Redis, sub: Redis, ingressId: string, onPacket: (packet: Buffer) => void) {
    this.#log = log;
    this.#sub = sub;
    this.#key = replyLog(ingressId);
    this.#channel = replyChannel(ingressId);
    this.#onPacket = onPacket;
  }

  /** Whether packets come as they are published. */
  get connected(): boolean {
    return isAnswering(this.#sub) && this.#live;
  }

  async start(): Promise<void> {
    this.#last = (await this.#tip()) ?? '0-0';
    this.#sub.on('messageBuffer', (_channel: Buffer, message: Buffer) => this.#hint(message));
    this.#sub.on('close', () => this.#fallBehind());
    await this.#sub.connect();
    await this.#resume(this.#fallBehind());
    this.#sub.on('ready', () => void this.#recover());
    this.#timer = setInterval(() => void this.#checkTip().catch(() => {}), TIP_CHECK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#fallBehind();
    this.#sub.disconnect();
  }

  #fallBehind(): number {
    this.#live = false;
    return ++this.#epoch;
  }

  #hint(message: Buffer): void {
    const space = message.indexOf(0x20);
    const id = message.toString('latin1', 0, space);
    if (!this.#live) {
      if (isLater(id, this.#seen)) this.#seen = id;
      return;
    }
    if (!isLater(id, this.#last)) return;
    this.#last = id;
    this.#onPacket(message.subarray(space + 1));
  }

  /** Two looks a second apart at the same unseen end of the log: a hint was lost without a disconnect. */
  async #checkTip(): Promise<void> {
    const tip = await this.#tip();
    if (tip === null || !this.#live) return;
    const stale = tip === this.#checkedTip && isLater(tip, this.#last);
    this.#checkedTip = tip;
    if (stale) await this.#recover();
  }

  async #tip(): Promise<string | null> {
    const newest = await this.#log.xrevrange(this.#key, '+', '-', 'COUNT', 1);
    return newest[0]?.[0] ?? null;
  }

  /** Never rejects. Ends once the listener is live, or has fallen behind anew. */
  async #recover(): Promise<void> {
    const epoch = this.#fallBehind();
    let pauseMs = FIRST_RETRY_MS;
    while (epoch === this.#epoch) {
      try {
        return await this.#resume(epoch);
      } catch {
        await new Promise(resolve => setTimeout(resolve, pauseMs).unref());
        pauseMs = Math.min(2 * pauseMs, LONGEST_RETRY_MS);
      }
    }
  }

  /** Subscribes, and once that is confirmed reads what was missed. */
  async #resume(epoch: number): Promise<void> {
    await this.#sub.subscribe(this.#channel);
    await this.#catchUp(epoch);
  }

  async #catchUp(epoch: number): Promise<void> {
    for (;;) {
      const seenBefore = this.#seen;
      const entries = await this.#log.xrangeBuffer(this.#key, `(${this.#last}`, '+', 'COUNT', CATCH_UP_BATCH);
      if (epoch !== this.#epoch) return;
      for (const [id, fields] of entries) {
        this.#last = id.toString('latin1');
        if (fields[1] !== undefined) this.#onPacket(fields[1]);
      }
      if (entries.length > 0) continue;
      // Hinted before we asked, and still not in the log: it was trimmed. Its requests time out or run again.
      if (isLater(seenBefore, this.#last)) this.#last = seenBefore;
      // Hinted while we asked: the next read brings it.
      if (isLater(this.#seen, this.#last)) continue;
      this.#live = true;
      return;
    }
  }
}

/** Whether Redis stream id `a` (`<ms>-<n>`) comes after `b`. */
function isLater(a: string, b: string): boolean {
  const [aMs = '0', aN = '0'] = a.split('-');
  const [bMs = '0', bN = '0'] = b.split('-');
  return Number(aMs) > Number(bMs) || (aMs === bMs && Number(aN) > Number(bN));
}
