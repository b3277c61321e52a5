/** What projects use of their limits, in Redis: one script for each request, and one when it is over. */
import { costMs, type LimitCharge, windowAt } from '@penstock/policy';
import { limitLeasesKey, limitsKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import {
  counterOf,
  isOfAll,
  type LimitLease,
  type LimitLedger,
  type LimitSettlement,
  type LimitsTaken,
  type LimitTake,
} from '../../ports/limits/limit-ledger.ts';
import { dialRedis, isAnswering, type RedisOptions } from '../connection/connection.ts';
import { RedisScripts } from '../scripts.ts';

const SCRIPTS = ['limits/take', 'limits/settle'] as const;
/** Commands in one go to renew leases. */
const CHUNK = 500;

export class RedisLimitLedger implements LimitLedger {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#scripts = new RedisScripts(redis, SCRIPTS);
  }

  /** @throws ConnectError when the first connection fails. */
  static async connect(options: RedisOptions): Promise<RedisLimitLedger> {
    return new RedisLimitLedger(await dialRedis(options, 'limits'));
  }

  get connected(): boolean {
    return isAnswering(this.#redis);
  }

  async take(what: LimitTake): Promise<LimitsTaken> {
    const { id, leaseMs, charges } = what;
    const about = argumentsOf(charges, ({ cost }) => cost);
    const said = await this.#scripts.run('limits/take', ...keysOf(what), id, leaseMs, ...about);
    const [at = 0, refused, ...used] = said as number[];
    return { at: at / 1000, isRefused: refused === 1, used: used.map(fromMillionths) };
  }

  async settle(what: LimitSettlement): Promise<void> {
    const { id, takenAt, charges, more } = what;
    const about = argumentsOf(charges, (_, i) => more[i] ?? 0);
    await this.#scripts.run('limits/settle', ...keysOf(what), id, takenAt, ...about);
  }

  async renew(leases: readonly LimitLease[], leaseMs: number): Promise<void> {
    if (leases.length === 0) return;
    const [seconds = 0, micros = 0] = (await this.#redis.time()).map(Number);
    const endsAt = seconds * 1000 + micros / 1000 + leaseMs;
    for (let from = 0; from < leases.length; from += CHUNK) {
      const pipeline = this.#redis.pipeline();
      for (const { project, id, model, charges } of leases.slice(from, from + CHUNK))
        for (const charge of charges) {
          if (charge.kind !== 'parallel') continue;
          const key = isOfAll(charge) ? limitLeasesKey(project) : limitLeasesKey(project, model);
          pipeline.zadd(key, endsAt, id);
        }
      await pipeline.exec();
    }
  }

  async look(what: Pick<LimitTake, 'project' | 'model' | 'charges'>): Promise<number[]> {
    const { project, model, charges } = what;
    const [seconds = 0, micros = 0] = (await this.#redis.time()).map(Number);
    const now = seconds * 1000 + micros / 1000;
    return Promise.all(charges.map(charge => this.#usedOf(project, model, charge, now)));
  }

  /** By plain commands: who may only read can run no script. */
  async #usedOf(project: string, model: string, charge: LimitCharge, now: number): Promise<number> {
    const { kind, periodMs } = charge;
    if (kind === 'parallel') {
      const leases = isOfAll(charge) ? limitLeasesKey(project) : limitLeasesKey(project, model);
      return this.#redis.zcount(leases, now, '+inf');
    }
    const fields = fieldsOf(charge);
    const [value, window] = (await this.#redis.hmget(limitsKey(project), ...fields)).map(Number);
    if (kind === 'rate') return Math.max(0, (value ?? 0) - now);
    return window === windowAt(now, periodMs) ? (value ?? 0) : 0;
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}

function keysOf({ project, model }: Pick<LimitTake, 'project' | 'model'>): string[] {
  return [limitsKey(project), limitLeasesKey(project), limitLeasesKey(project, model)];
}

/** Limits as `scripts/include/limit_used.lua` has them. @param costOf what to take of each. */
function argumentsOf(
  charges: readonly LimitCharge[],
  costOf: (charge: LimitCharge, index: number) => number,
): (string | number)[] {
  const fields = charges.flatMap(fieldsOf);
  const each = charges.flatMap((charge, i) => argumentsOfOne(charge, costOf(charge, i)));
  return [fields.length, ...fields, ...each];
}

/** Where a charge is counted: a budget with the window that it is of. */
function fieldsOf(charge: LimitCharge): string[] {
  const name = counterOf(charge);
  return charge.kind === 'parallel' ? [] : charge.kind === 'budget' ? [name, `${name}@`] : [name];
}

function argumentsOfOne(charge: LimitCharge, cost: number): (string | number)[] {
  const { kind, most, periodMs, part } = charge;
  const enforced = charge.isEnforced ? 1 : 0;
  if (kind === 'rate') return ['r', costMs(charge, cost), periodMs * part, periodMs, enforced];
  if (kind === 'budget') return ['b', cost, most, periodMs, enforced];
  return [isOfAll(charge) ? 'p' : 'q', cost, most, 0, enforced];
}

/** Scripts answer in whole numbers. */
function fromMillionths(said: number): number {
  return said / 1e6;
}
