/** The set of open runs in Redis: scripts add a run when it is queued, by its deadline, and remove it when it becomes final. */
import { RUN_DEADLINES_KEY, RUN_SWEEP_KEY } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { OpenRuns } from '../../ports/runs/open-runs.ts';
import { openRedis, type RedisOptions } from '../connection/connection.ts';
import { RedisScripts } from '../scripts.ts';

const SOME = 100;

export class RedisOpenRuns implements OpenRuns {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<'runs/claim-sweep'>;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#scripts = new RedisScripts(redis, ['runs/claim-sweep']);
  }

  static async connect(options: RedisOptions): Promise<RedisOpenRuns> {
    const redis = openRedis(options, 'open-runs');
    await redis.connect();
    return new RedisOpenRuns(redis);
  }

  async some(from: string | null): ReturnType<OpenRuns['some']> {
    const [next, found] = await this.#redis.zscan(RUN_DEADLINES_KEY, from ?? '0', 'COUNT', SOME);
    return { ids: found.filter((_, i) => i % 2 === 0), next: next === '0' ? null : next };
  }

  async claim(process: string, forMs: number): Promise<boolean> {
    return (await this.#scripts.run('runs/claim-sweep', RUN_SWEEP_KEY, process, forMs)) === 1;
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
