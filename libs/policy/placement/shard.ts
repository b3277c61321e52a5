/** Which of a region's streams a request goes to. Most regions have one. */

/** What the workers of a model in one shard can do, as of their latest messages. */
export interface ShardLoad {
  readonly shard: number;
  /** Prompt tokens per second of all its workers. */
  readonly tokensPerSec: number;
  /** Wait before a new prompt's prefill begins, over its workers, s. */
  readonly meanWaitS: number;
}

/**
 * Two shards drawn by their speed, and of those the one with the shorter wait: loads are up to a second old, and
 * sending everything to the best would flood it. Inside a shard the broker finds the best worker.
 * @param rand uniform in [0, 1), one for each draw.
 * @returns 0 where no shard has workers.
 */
export function decideShard(loads: readonly ShardLoad[], rand: readonly [number, number]): number {
  const [first, second] = [draw(loads, rand[0]), draw(loads, rand[1])];
  if (first === null || second === null) return 0;
  return second.meanWaitS < first.meanWaitS ? second.shard : first.shard;
}

function draw(loads: readonly ShardLoad[], rand: number): ShardLoad | null {
  const total = loads.reduce((sum, load) => sum + load.tokensPerSec, 0);
  let left = rand * total;
  for (const load of loads) {
    left -= load.tokensPerSec;
    if (left < 0) return load;
  }
  return loads.at(-1) ?? null;
}
