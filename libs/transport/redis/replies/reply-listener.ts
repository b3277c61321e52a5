import { replyChannel, replyLog } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import { handOn, isAnswering, serverOf } from '../connection/connection.ts';

/** How often a listener compares the end of the log with the last packet it saw, and confirms what it read. */
const TIP_CHECK_MS = 1000;
/** So many packets are read at once: a few MB where they are long. */
const CATCH_UP_BATCH = 32;
/** What has been read is confirmed after so many bytes: a part of what workers may have under way. */
const CONFIRM_BYTES = 256 * 1024;
/** Before a catch-up that failed is tried again, ms: doubled each time, up to the second one. */
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1000;

export interface ReplyListenerOptions {
  readonly log: Redis;
  readonly sub: Redis;
  readonly ingressId: string;
  /** What it throws ends nothing. */
  readonly onPacket: (packet: Buffer) => void;
  /** Counts what is announced and is no packet of the log. */
  readonly onBadHint?: () => void;
  readonly onUnhandled?: (err: unknown) => void;
  /** Everything before the log id `behind` has been read, where so many bytes had been appended. */
  readonly confirm: (behind: string, appended: number) => Promise<unknown>;
  /** Told each time it is {@link ReplyListener.connected} again, were it for a moment. */
  readonly onConnected?: () => void;
  /** Which server a connection reached last; {@link serverOf} where absent. */
  readonly serverOf?: typeof serverOf;
}

/**
 * Follows one ingress' log, by the channel while it flows and by reading while it does not.
 *
 * **live**: packets come by the channel, in log order; `#last` is the id of the newest one handed on.
 * **away** (from a lost subscription until its successor is confirmed and a read of the log has gone well, and when the end of the log
 * stays ahead of `#last`) and **reading** (from then on, and when a packet was only announced): channel packets only raise `#seen`; the log is read from
 * `#last` to its end, until it has given everything up to `#seen`. Going live any earlier would skip what was published before the new
 * subscription. What fails, since its connection broke or Redis refused it, is tried again until it has gone well: nothing else would end the silence.
 *
 * What was handed on is confirmed, so that the log keeps only what was not.
 *
 * Another server, such as a replica that was promoted, goes on counting its packets from the last one that it knows of: what it publishes
 * could look older than what was seen. So its log is read from the beginning; what is handed on twice is known by its sequence.
 */
export class ReplyListener {
  readonly #o: ReplyListenerOptions;
  readonly #key: string;
  readonly #channel: string;
  #last = '0-0';
  #seen = '0-0';
  #state: 'away' | 'reading' | 'live' = 'away';
  /** Counts lost subscriptions: a catch-up that began under an older one gives up. */
  #epoch = 0;
  #timer: NodeJS.Timeout | null = null;
  #checkedTip = '0-0';
  /** Bytes that had been appended up to `#last`; 0 where its worker, one of the version before, does not say. */
  #appended = 0;
  #unconfirmedBytes = 0;
  #isConfirming = false;
  /** Where the log was read last. */
  #server = '';

  constructor(options: ReplyListenerOptions) {
    this.#o = options;
    this.#key = replyLog(options.ingressId);
    this.#channel = replyChannel(options.ingressId);
  }

  /** Whether packets come as they are published, or as fast as they are read. */
  get connected(): boolean {
    return isAnswering(this.#o.sub) && this.#state !== 'away';
  }

  async start(): Promise<void> {
    const { sub } = this.#o;
    const tip = await this.#tip();
    this.#server = this.#reached();
    if (tip !== null) {
      // Of a process before this one, whose requests are gone.
      this.#last = tip.id;
      this.#appended = tip.appended;
      this.#confirm();
    }
    sub.on('messageBuffer', (_channel: Buffer, message: Buffer) => this.#hint(message));
    sub.on('close', () => this.#fallBehind());
    await sub.connect();
    await this.#resume(this.#fallBehind());
    sub.on('ready', () => void this.#recover());
    this.#timer = setInterval(() => {
      if (this.#unconfirmedBytes > 0) this.#confirm();
      void this.#checkTip().catch(() => {});
    }, TIP_CHECK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#fallBehind();
    this.#o.sub.disconnect();
  }

  #fallBehind(): number {
    this.#state = 'away';
    return ++this.#epoch;
  }

  #enter(state: 'reading' | 'live'): void {
    const wasAway = this.#state === 'away';
    this.#state = state;
    if (wasAway) this.#o.onConnected?.();
  }

  #hint(message: Buffer): void {
    const [head, id, appended] = HINT.exec(message.toString('latin1', 0, MOST_HEAD)) ?? [];
    if (head === undefined || id === undefined) return this.#o.onBadHint?.();
    if (this.#state !== 'live' || head.length === message.length) {
      if (isLater(id, this.#seen)) this.#seen = id;
      if (this.#state === 'live') void this.#readOn();
      return;
    }
    if (isLater(id, this.#last)) this.#handOn(id, appended, message.subarray(head.length));
  }

  #handOn(id: string, appended: string | undefined, packet: Buffer): void {
    this.#last = id;
    this.#appended = countIn(appended) ?? this.#appended;
    this.#unconfirmedBytes += packet.length;
    handOn(this.#o, () => this.#o.onPacket(packet));
    if (this.#unconfirmedBytes >= CONFIRM_BYTES) this.#confirm();
  }

  #confirm(): void {
    if (this.#isConfirming) return;
    this.#isConfirming = true;
    this.#unconfirmedBytes = 0;
    const [ms, n] = this.#last.split('-');
    const confirmed = this.#o.confirm(`${ms}-${Number(n) + 1}`, this.#appended).then(
      () => this.#unconfirmedBytes >= CONFIRM_BYTES,
      () => {
        // The next one says it all, in a second at the latest.
        this.#unconfirmedBytes++;
        return false;
      },
    );
    void confirmed.then(isMore => {
      this.#isConfirming = false;
      if (isMore) this.#confirm();
    });
  }

  /** Two looks a second apart at the same unseen end of the log: a hint was lost without a disconnect. */
  async #checkTip(): Promise<void> {
    const lastBefore = this.#last;
    const tip = (await this.#tip())?.id ?? null;
    if (this.#state === 'live' && this.#reached() !== this.#server) return this.#recover();
    if (tip === null || this.#state !== 'live') return;
    if (isLater(lastBefore, tip)) return this.#rewind(tip);
    const stale = tip === this.#checkedTip && isLater(tip, this.#last);
    this.#checkedTip = tip;
    if (stale) await this.#recover();
  }

  /** What was announced is beyond the end of the log, so nobody appended it: whoever made it up would have us skip what is appended now. */
  async #rewind(tip: string): Promise<void> {
    this.#o.onBadHint?.();
    this.#last = isLater(this.#checkedTip, tip) ? '0-0' : this.#checkedTip;
    this.#seen = this.#last;
    await this.#recover();
  }

  async #tip(): Promise<{ readonly id: string; readonly appended: number } | null> {
    const [newest] = await this.#o.log.xrevrange(this.#key, '+', '-', 'COUNT', 1);
    return newest === undefined ? null : { id: newest[0], appended: countIn(newest[1][3]) ?? 0 };
  }

  /** The subscription is well, and brings announcements alone. */
  async #readOn(): Promise<void> {
    const epoch = ++this.#epoch;
    this.#enter('reading');
    await this.#catchUp(epoch).catch(() => (epoch === this.#epoch ? this.#recover() : undefined));
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
    await this.#o.sub.subscribe(this.#channel);
    await this.#catchUp(epoch);
  }

  #reached(): string {
    const { log, serverOf: whichServer = serverOf } = this.#o;
    return whichServer(log);
  }

  /** Whether the log was read at another server than before: then it is read from its beginning. */
  #beginsAnew(): boolean {
    if (this.#reached() === this.#server) return false;
    this.#server = this.#reached();
    this.#last = this.#seen = '0-0';
    this.#appended = 0;
    return true;
  }

  async #catchUp(epoch: number): Promise<void> {
    const { log } = this.#o;
    for (;;) {
      const seenBefore = this.#seen;
      const entries = await log.xrangeBuffer(this.#key, `(${this.#last}`, '+', 'COUNT', CATCH_UP_BATCH);
      if (epoch !== this.#epoch) return;
      if (this.#beginsAnew()) continue;
      for (const [id, [, packet, , appended]] of entries)
        if (packet !== undefined) this.#handOn(id.toString('latin1'), appended?.toString('latin1'), packet);
      this.#enter('reading');
      // There may be more. Else everything that was there when it was read has been handed on, and what came since is announced.
      if (entries.length === CATCH_UP_BATCH) continue;
      // Hinted before we asked, and still not in the log: Redis lost it. Its requests time out or run again.
      if (isLater(seenBefore, this.#last)) this.#last = seenBefore;
      // Hinted while we asked: the next read brings it.
      if (isLater(this.#seen, this.#last)) continue;
      return this.#enter('live');
    }
  }
}

/** `<log id>@<bytes appended so far> `, or of a worker of the version before without the bytes, and the packet behind. */
const HINT = /^(\d{1,15}-\d{1,10})(?:@(\d{1,15}))? /;
const MOST_HEAD = 48;

/** Undefined for what is no count. */
function countIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Whether Redis stream id `a` (`<ms>-<n>`) comes after `b`. */
function isLater(a: string, b: string): boolean {
  const [aMs = '0', aN = '0'] = a.split('-');
  const [bMs = '0', bN = '0'] = b.split('-');
  return Number(aMs) > Number(bMs) || (aMs === bMs && Number(aN) > Number(bN));
}
