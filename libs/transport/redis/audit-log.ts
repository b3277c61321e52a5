import {
  type AuditEntry,
  auditEndsKey,
  auditKey,
  CHAIN_START,
  type ChainEnd,
  chainLine,
  oldAuditKey,
  readAuditEntry,
  readChainLine,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import {
  AUDIT_KEPT,
  type AuditChain,
  type AuditLog,
  type AuditSearch,
  type NumberedEntry,
} from '../ports/audit-log.ts';
import { connectRedis, isAnswering, type RedisOptions } from './connection/connection.ts';
import { RedisScripts } from './scripts.ts';

const DAY_MS = 86_400_000;
/** Others may have added a line meanwhile, each time; more often than so says that something else is wrong. */
const MOST_TRIES = 50;
/** Lines read at a time. */
const SLICE = 500;

export interface AuditOptions {
  readonly region: string;
  /** How long entries are kept. */
  readonly days: number;
  /** Told the end of the chain after each line of this process: what is shipped elsewhere with its log cannot be forged here. */
  readonly onEnd?: (end: ChainEnd) => void;
  /** Lines, beyond which the oldest are given up; see {@link AUDIT_KEPT}. */
  readonly most?: number;
}

export class RedisAuditLog implements AuditLog {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<'audit/append'>;
  readonly #o: AuditOptions;
  readonly #lines: string;
  readonly #ends: string;
  /** As far as this process knows. */
  #end: ChainEnd = CHAIN_START;
  /** One line after another: those of this process need not compete. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(redis: Redis, options: AuditOptions) {
    this.#redis = redis;
    this.#scripts = new RedisScripts(redis, ['audit/append']);
    this.#o = options;
    this.#lines = auditKey(options.region);
    this.#ends = auditEndsKey(options.region);
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions, about: AuditOptions): Promise<RedisAuditLog> {
    return new RedisAuditLog(await connectRedis(options, 'audit'), about);
  }

  get connected(): boolean {
    return isAnswering(this.#redis);
  }

  add(entry: AuditEntry): Promise<void> {
    const added = this.#turn.then(() => this.#add(entry));
    this.#turn = added.catch(() => {});
    return added;
  }

  async #add(entry: AuditEntry): Promise<void> {
    const tooOld = entry.at - this.#o.days * DAY_MS;
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const { line, end } = chainLine(this.#end, entry);
      const about = [this.#end.seq, this.#end.hash, line, end.seq, end.hash];
      const most = this.#o.most ?? AUDIT_KEPT;
      const latest = await this.#scripts.run('audit/append', this.#lines, this.#ends, ...about, most, tooOld);
      const [seq, hash] = latest as string[];
      this.#end = seq === undefined || hash === undefined ? end : { seq: Number(seq), hash };
      // Its answer was lost with a connection, and it was sent again.
      const isOurs = this.#end.hash === end.hash;
      if (isOurs) return this.#o.onEnd?.(end);
    }
    throw new Error('the audit log was written by others all the time');
  }

  async list(most: number): Promise<AuditEntry[]> {
    const lines = await this.#redis.lrange(this.#lines, -most, -1);
    const entries = lines.flatMap(line => readChainLine(line)?.entry ?? []).reverse();
    if (entries.length >= most) return entries;
    const old = await this.#redis.lrange(oldAuditKey(this.#o.region), 0, most - entries.length - 1);
    return [...entries, ...old.map(readAuditEntry).filter(entry => entry !== null)];
  }

  async search({ before, most, isWanted }: AuditSearch): Promise<NumberedEntry[]> {
    const found: NumberedEntry[] = [];
    const latest = Number((await this.#redis.hget(this.#ends, 'seq')) ?? 0);
    let older = Math.min(before ?? Infinity, latest + 1);
    // From the end: lines that are added meanwhile move all others away from it, so some are read twice and none is missed.
    for (let last = older - latest - 2; found.length < most; last -= SLICE) {
      const lines = await this.#redis.lrange(this.#lines, last - SLICE + 1, last);
      for (const line of lines.reverse()) {
        const read = readChainLine(line);
        if (read === null || read.seq >= older) continue;
        older = read.seq;
        if (isWanted(read.entry)) found.push({ seq: read.seq, entry: read.entry });
      }
      if (lines.length < SLICE) break;
    }
    return found.slice(0, most);
  }

  async chain(): Promise<AuditChain> {
    // At once: what is added meanwhile would be an end that the lines do not have.
    const answers = await this.#redis.multi().lrange(this.#lines, 0, -1).hgetall(this.#ends).exec();
    const [lines, ends] = (answers ?? []).map(([err, answer]) => {
      if (err !== null) throw err;
      return answer;
    });
    const { seq, hash, firstSeq, firstHash } = (ends ?? {}) as Record<string, string>;
    return {
      lines: (lines ?? []) as string[],
      start: firstHash === undefined ? CHAIN_START : { seq: Number(firstSeq), hash: firstHash },
      end: hash === undefined ? CHAIN_START : { seq: Number(seq), hash },
    };
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
