/**
 * Whether a server may keep what Penstock accepts. What it says in INFO is enough, which every user may read; whether its settings can be
 * changed at all shows in CONFIG, which managed services forbid: they keep data in their own ways, so of them it is only said.
 */

export interface ServerFitness {
  /** Why it cannot be used, and what to do, in one line; null where it can. */
  readonly refusal: string | null;
  /** What to tell the operator, in one line each. */
  readonly warnings: readonly string[];
}

export interface FitnessInput {
  /** What INFO answered; null where the user may not ask. */
  readonly info: string | null;
  readonly mayConfigure: boolean;
  /** Replicas that have to have a result, see {@link RedisOptions.replicas}. */
  readonly replicas: number;
}

const CLUSTER =
  'it is a node of a Redis Cluster, which Penstock does not use: give a server that is not one (a managed service without cluster mode), by itself or behind Sentinel';
const REPLICA =
  'it is a replica, which takes no writes: give the address of the primary, or of the sentinels that know it';
const NO_AOF =
  'it keeps no append-only file, so accepted work ends with its process: set appendonly yes and appendfsync no';

export function fitnessOf({ info, mayConfigure, replicas }: FitnessInput): ServerFitness {
  if (info === null)
    return { refusal: null, warnings: ['INFO is forbidden to its user, so its settings were not checked'] };
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? null;
  if (field('cluster_enabled') === '1') return { refusal: CLUSTER, warnings: [] };
  if (field('role') === 'slave') return { refusal: REPLICA, warnings: [] };
  const policy = field('maxmemory_policy') ?? 'noeviction';
  const faults = [
    ...(field('aof_enabled') === '0' ? [NO_AOF] : []),
    ...(policy === 'noeviction'
      ? []
      : [`it may evict accepted work (maxmemory-policy is ${policy}): set maxmemory-policy noeviction`]),
  ];
  const warnings: string[] = [];
  if (Number(field('connected_slaves') ?? 0) < replicas)
    warnings.push(
      `it has ${field('connected_slaves') ?? 0} replicas and PENSTOCK_REDIS_REPLICAS wants ${replicas}: stored work is refused until they are there`,
    );
  if (mayConfigure && faults[0] !== undefined) return { refusal: faults[0], warnings };
  return { refusal: null, warnings: [...faults, ...warnings] };
}
