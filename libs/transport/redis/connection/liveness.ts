/**
 * Whether Redis answers on a connection. The operating system keeps one open for minutes whose other end is silent: a host that lost
 * its network, a process that is stopped. So each is asked now and then, and one that does not answer is closed and opened anew.
 */
import type { Redis } from 'ioredis';
import { AwakeTime } from '../../ports/awake-time.ts';

/** How often it is asked, ms. */
const ASK_MS = 250;
/**
 * After this silence, or so long without a connection, it counts as cut off, ms of {@link AwakeTime}: one that is lost is mostly opened anew
 * at once, and on a busy machine an answer may wait to be read.
 */
const CUT_OFF_MS = 600;
/** After this silence the client closes it, ms: with {@link ASK_MS} a silent Redis is left within 5 s. */
export const SILENCE_MS = 4000;

/** Learns the time of the region, and tells it. */
export interface RegionTime {
  /** Unix ms. */
  now(): number;
  /** @param serverMs what Redis said, Unix ms. @param askedAt and `answeredAt`: monotonic ms. */
  hear(serverMs: number, askedAt: number, answeredAt: number): void;
}

/** Asks Redis for the time. Rejects where it refuses. */
export async function tellTime(redis: Redis, listener: RegionTime): Promise<void> {
  const askedAt = performance.now();
  const [seconds, microseconds] = await redis.time();
  listener.hear(Number(seconds) * 1000 + Number(microseconds) / 1000, askedAt, performance.now());
}

/** Asks all connections of the process at the same moment: it wakes up once for all of them, and so does Redis. */
export class Rounds {
  readonly time = new AwakeTime(ASK_MS);
  readonly #questions = new Set<() => void>();
  #timer: NodeJS.Timeout | null = null;

  add(question: () => void): void {
    this.#questions.add(question);
    this.#timer ??= setInterval(() => {
      this.time.tick();
      for (const ask of this.#questions) ask();
    }, ASK_MS).unref();
  }

  remove(question: () => void): void {
    this.#questions.delete(question);
    if (this.#questions.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

const ROUNDS = new Rounds();

export class RedisLiveness {
  readonly #redis: Redis;
  readonly #clock: RegionTime | undefined;
  readonly #rounds: Rounds;
  /** When the question was asked that is not answered, by {@link Rounds.time}; null while there is none. */
  #askedAt: number | null = null;
  /** When the connection was lost, by the same; null while it is open, and before it ever was. */
  #lostAt: number | null = null;
  #wasAnswering = false;
  readonly #listeners: ((isAnswering: boolean) => void)[] = [];

  /** @param redis not open yet. Asked until it is disconnected for good. @param clock told the time that it answers with. @param rounds of all connections of its process. */
  constructor(redis: Redis, clock?: RegionTime, rounds = ROUNDS) {
    this.#redis = redis;
    this.#clock = clock;
    this.#rounds = rounds;
    const ask = () => this.#ask();
    rounds.add(ask);
    redis.on('end', () => rounds.remove(ask));
    // What was asked of a lost connection is answered by the next one, or never.
    redis.on('close', () => {
      this.#askedAt = null;
      if (this.#wasAnswering) this.#lostAt ??= this.#rounds.time.ms;
    });
    redis.on('ready', () => {
      this.#lostAt = null;
      this.#tell();
    });
  }

  /** @param listener told whenever {@link isAnswering} has changed. */
  onChange(listener: (isAnswering: boolean) => void): void {
    this.#listeners.push(listener);
  }

  /** Not without a connection, nor silent, for longer than {@link CUT_OFF_MS}. */
  get isAnswering(): boolean {
    const since = this.#redis.status === 'ready' ? this.#askedAt : this.#lostAt;
    if (since === null) return this.#redis.status === 'ready';
    return this.#rounds.time.ms - since <= CUT_OFF_MS;
  }

  #tell(): void {
    const { isAnswering } = this;
    if (isAnswering === this.#wasAnswering) return;
    this.#wasAnswering = isAnswering;
    for (const listener of this.#listeners) listener(isAnswering);
  }

  #ask(): void {
    this.#tell();
    if (this.#redis.status !== 'ready' || this.#askedAt !== null) return;
    const askedAt = this.#rounds.time.ms;
    this.#askedAt = askedAt;
    const answered = () => {
      if (this.#askedAt === askedAt) this.#askedAt = null;
      this.#tell();
    };
    // A refusal is an answer too.
    const asked = this.#clock === undefined ? this.#redis.ping() : tellTime(this.#redis, this.#clock);
    asked.then(answered, answered);
  }
}
