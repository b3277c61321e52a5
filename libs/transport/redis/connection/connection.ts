/** Connections to Redis: the one place that knows how to reach it, for BullMQ too. */
import { type RedisOptions as AnyOptions, Redis } from 'ioredis';
import { afterAwake } from '../../ports/awake-time.ts';
import { ConnectError } from '../../ports/connect-error.ts';
import { type RedisReach, readAddress } from './address.ts';
import { connectorFor, type ServerSeen } from './connector.ts';
import { refusedBy } from './first-refusal.ts';
import { fitnessOf } from './fitness.ts';
import { RedisLiveness, type RegionTime, SILENCE_MS, tellTime } from './liveness.ts';

export interface RedisOptions extends RedisReach {
  readonly name: string;
  /** Replicas that have a result or an accepted run before anybody relies on it; 0 where absent. */
  readonly replicas?: number;
  /** Told what is wrong with a server that is used nevertheless, in one line. */
  readonly warn?: (text: string) => void;
  /** Told, while the connection is open, what Redis says that the time is: what crosses processes is measured by that. */
  readonly clock?: RegionTime;
  /** Told what was thrown by those that messages are handed to; where absent it is thrown on, and ends the process. */
  readonly onUnhandled?: (err: unknown) => void;
}

/** Calls what a message is handed to, from a callback of the client. */
export function handOn({ onUnhandled }: Pick<RedisOptions, 'onUnhandled'>, handle: () => void): void {
  try {
    handle();
  } catch (err) {
    if (onUnhandled === undefined) throw err;
    onUnhandled(err);
  }
}

/** Answers come in the shapes of RESP2. */
type ClientOptions = AnyOptions & { replyMapping?: 'legacy' };

/** What it is now it may not be in a moment. */
const PASSING = { isLasting: false } as const;

const LIVENESS = new WeakMap<Redis, RedisLiveness>();
const SERVERS = new WeakMap<Redis, ServerSeen>();
/** Before the sentinels, none of which answers, are asked again: longer each time, up to the second one, ms. */
const SENTINEL_PAUSE_MS = { first: 50, most: 1000 } as const;
/** How long a start waits for the first connection, ms. */
const FIRST_LIMIT_MS = 5000;

/** Whether Redis answers on a connection of {@link openRedis}, see {@link RedisLiveness.isAnswering}. */
export function isAnswering(redis: Redis): boolean {
  return LIVENESS.get(redis)?.isAnswering ?? redis.status === 'ready';
}

/** @param listener told whenever {@link isAnswering} has changed. */
export function onAnswering(redis: Redis, listener: (isAnswering: boolean) => void): void {
  LIVENESS.get(redis)?.onChange(listener);
}

/** Which process of a server a connection of {@link openRedis} reached last; empty where it does not say. Another one may have forgotten something. */
export function serverOf(redis: Redis): string {
  return SERVERS.get(redis)?.runId ?? '';
}

/** A server that was demoted refuses writes; where it ended a command that waited, it is about to. */
function isDemoted({ message }: Error): boolean {
  return /\bREADONLY You can't write|^UNBLOCKED |^MASTERDOWN /.test(message);
}

/** What all clients have in common: how the server is found, and found again when it has moved. @throws ConnectError for a setting that is none. */
export function clientOptions(
  reach: RedisReach,
  seen: ServerSeen = { runId: '', isReplica: false },
): ClientOptions {
  return {
    ...readAddress(reach),
    Connector: connectorFor(seen),
    // The connection is opened anew, to whoever is the primary by then; the command that was refused is the caller's to repeat.
    reconnectOnError: isDemoted,
    retryStrategy: tries => Math.min(1000, 20 * tries),
    sentinelRetryStrategy: tries => Math.min(SENTINEL_PAUSE_MS.most, SENTINEL_PAUSE_MS.first * tries),
    sentinelCommandTimeout: 2000,
    // Commands wait, and are sent again in order after a reconnect: logs tolerate repeated entries, but not missing ones.
    maxRetriesPerRequest: null,
    keepAlive: 5000,
    connectTimeout: 2000,
  };
}

/**
 * A connection that is not opened yet and, once open, reconnects for ever: also when the other end falls silent, or is the primary no more.
 * @param role shown in the server's client list. @param blocks whether its commands wait for something to happen: its user has to
 * watch it, for a connection that waits is silent too.
 * @throws ConnectError for a setting that is none.
 */
export function openRedis(options: RedisOptions, role: string, { blocks = false } = {}): Redis {
  const seen: ServerSeen = { runId: '', isReplica: false };
  const client: ClientOptions = {
    ...clientOptions(options, seen),
    connectionName: `${options.name}-${role}`,
    ...(blocks ? {} : { socketTimeout: SILENCE_MS }),
    lazyConnect: true,
    // Thousands of records a second, and only callers that wait need an order, so many commands share one write.
    enableAutoPipelining: /^runs\b/.test(role),
  };
  const redis = new Redis(client);
  // Without a listener a lost connection would end the process; the state shows in `connected`.
  redis.on('error', () => {});
  SERVERS.set(redis, seen);
  if (!blocks) LIVENESS.set(redis, new RedisLiveness(redis, options.clock));
  return redis;
}

/** As {@link openRedis}, and connected. @throws ConnectError when the first connection fails. */
export async function dialRedis(
  options: RedisOptions,
  role: string,
  about: { readonly blocks?: boolean } = {},
): Promise<Redis> {
  const redis = openRedis(options, role, about);
  try {
    await firstConnection(redis, options);
    return redis;
  } catch (err) {
    redis.disconnect();
    throw err;
  }
}

/**
 * As {@link dialRedis}, to a server that may keep what is accepted; the clock knows the time.
 * @throws ConnectError when the first connection fails, or that server cannot be used.
 */
export async function connectRedis(options: RedisOptions, role: string): Promise<Redis> {
  const redis = await dialRedis(options, role);
  try {
    await checkServer(redis, options);
    if (options.clock !== undefined) await tellTime(redis, options.clock);
    return redis;
  } catch (err) {
    redis.disconnect();
    throw err;
  }
}

async function firstConnection(redis: Redis, reach: RedisReach): Promise<void> {
  let last: Error | null = null;
  const note = (err: Error) => {
    last = err;
  };
  redis.on('error', note);
  // On a busy machine a command may get no processor for seconds: they say nothing of the server.
  let callOff = () => {};
  const late = new Promise<never>((_, reject) => {
    const overdue = () => reject(last ?? new Error(`no answer in ${FIRST_LIMIT_MS} ms`));
    callOff = afterAwake(FIRST_LIMIT_MS, overdue);
  });
  try {
    const connected = redis.connect().catch((err: unknown) => {
      // One that took too long is tried again by the client itself.
      if ((last as NodeJS.ErrnoException | null)?.code !== 'ETIMEDOUT') throw err;
      return new Promise<void>(resolve => redis.once('ready', resolve));
    });
    await Promise.race([connected, late]);
  } catch (err) {
    // The client says no more of a server that its connector left.
    if (SERVERS.get(redis)?.isReplica) throw new ConnectError(fitnessOf(REPLICA).refusal ?? '', PASSING);
    // That the connection is closed says less than what it failed with before.
    throw await refusedBy(last ?? (err as Error), readAddress(reach));
  } finally {
    callOff();
    redis.off('error', note);
  }
}

const REPLICA = { info: 'role:slave', mayConfigure: false, replicas: 0 } as const;

async function checkServer(redis: Redis, { replicas = 0, warn }: RedisOptions): Promise<void> {
  const forbidden = () => null;
  const info = await redis.info().catch(forbidden);
  const mayConfigure = (await redis.config('GET', 'maxmemory-policy').catch(forbidden)) !== null;
  const { refusal, warnings } = fitnessOf({ info, mayConfigure, replicas });
  if (refusal !== null) throw new ConnectError(refusal);
  for (const warning of warnings) warn?.(warning);
}
