/**
 * What each role may do with which keys of Redis, as rules of an ACL (Redis 7, Valkey 7.2), from the names that the adapters use. Commands inside
 * scripts are checked alike. A worker can reach what it knows the id of and nothing else: it may neither list keys nor read the queue's messages,
 * the packets of others' answers, files or conversations.
 */
import {
  ACCESS_VERSION_KEY,
  auditEndsKey,
  auditKey,
  BACKLOG_BYTES_KEY,
  backlogKey,
  batchKey,
  DATA_KEY_PROJECTS_KEY,
  dataKeysKey,
  deliveryAttemptsKey,
  deliveryKey,
  deliveryListKey,
  EVENT_OUTBOX_KEY,
  KEY_USES_KEY,
  KEYS_KEY,
  keyListKey,
  modelRegistryKey,
  nodeNameKey,
  OPEN_BATCHES_KEY,
  PROJECTS_KEY,
  RUN_DEADLINES_KEY,
  replyChannel,
  replyLog,
  replyMeter,
  runKey,
  runLogChannel,
  runLogKey,
  runMessageKey,
  runRemovedKey,
  scalerLogKey,
  scalerStateKey,
  settingsKey,
  TRAILS_KEY,
  trailKey,
  WEBHOOK_LIST_PREFIX,
} from '@penstock/protocol';
import { REPLICATED_CHANNEL } from '../redis/connection/replication.ts';
import type { Member, Role } from './roles.ts';

/** All keys and channels of the product, and those of BullMQ. */
const OURS = ['penstock:*', 'bull:*'];
/** Of every connection: who it is, and whether the server answers and is fit. */
const CONNECTION = '+@connection -client +client|setname +client|id +info +ping +time +wait';
/** Nothing that lists keys, ends or reconfigures the server, empties it, or changes what its scripts and functions are. */
const ORDINARY =
  '+@all -@admin -@dangerous -keys -scan -randomkey -dbsize -function -fcall -fcall_ro -script +script|load +script|exists -pubsub -move -copy';

/** The part of a user's line that says what it may. */
export function redisPermissions(member: Member): string {
  return TABLE[member.role](member);
}

/** Of every role at a Redis before 7.0, whose rules cannot tell one key from another: nobody gets in without a password, and nobody out of our keys. */
export function plainPermissions(): string {
  return serving();
}

const TABLE: Readonly<Record<Role, (member: Member) => string>> = {
  ingress: () => serving(),
  worker: ({ region }) => worker(region),
  tasks: () => serving(),
  scaler: ({ region }) => scaler(region),
  console: ({ region }) => operating(region),
  operator: ({ region }) => operating(region, ACCESS),
};

/** Whatever the product does, in its own keys. `config|get` tells whether the server keeps what it confirms. */
function serving(): string {
  return `${keys(OURS)} ${channels(OURS)} ${ORDINARY} ${CONNECTION} +config|get`;
}

/** Projects and their keys: whoever changes them lets in whom they like. */
const ACCESS = [
  PROJECTS_KEY,
  KEYS_KEY,
  KEY_USES_KEY,
  ACCESS_VERSION_KEY,
  every(keyListKey),
  keyListKey(null),
];

/** Reads everything that is ours, and changes runs, batches, what is sent to webhooks, the audit log, and what else is named. */
function operating(region: string, more: readonly string[] = []): string {
  const changed = [
    ...[auditKey(region), auditEndsKey(region), modelRegistryKey(region), settingsKey()],
    ...[every(runKey), every(runLogKey), every(runMessageKey), every(runRemovedKey), RUN_DEADLINES_KEY],
    ...[every(backlogKey), BACKLOG_BYTES_KEY],
    // To wrap data keys again, and to erase them.
    ...[every(dataKeysKey), DATA_KEY_PROJECTS_KEY],
    ...[every(batchKey), OPEN_BATCHES_KEY, EVENT_OUTBOX_KEY, `${WEBHOOK_LIST_PREFIX}*`],
    ...[every(deliveryKey), every(deliveryAttemptsKey), every(deliveryListKey), 'bull:*'],
    ...more,
  ];
  return `${keys(changed)} %R~penstock:* ${channels(OURS)} ${ORDINARY} ${CONNECTION}`;
}

type KeyRule = readonly [key: string, commands: string];

function worker(region: string): string {
  const may: readonly KeyRule[] = [
    [every(replyLog), 'xadd pexpire'],
    [every(replyMeter), 'hmget hincrby pexpire'],
    [settingsKey(), 'hget hset pexpire'],
    [modelRegistryKey(region), 'hset'],
    [every(trailKey), 'rpush ltrim expire'],
    [TRAILS_KEY, 'zadd zremrangebyrank expire'],
    [every(runKey), 'hget hmget hgetall hset hincrby exists pttl pexpire'],
    [every(runLogKey), 'llen lrange rpush del pexpire'],
    [every(runMessageKey), 'del strlen'],
    [every(backlogKey), 'zrem'],
    [BACKLOG_BYTES_KEY, 'hincrby hdel'],
    [every(runRemovedKey), 'exists'],
    [RUN_DEADLINES_KEY, 'zrem'],
    [EVENT_OUTBOX_KEY, 'xadd xdel'],
    [`${WEBHOOK_LIST_PREFIX}*`, 'exists'],
  ];
  const told = channels([every(replyChannel), every(runLogChannel), REPLICATED_CHANNEL]);
  return `${withScripts(may)} ${told} +publish ${CONNECTION}`;
}

/** Reads which models there are, and keeps who of several decides, and what. */
function scaler(region: string): string {
  const may: readonly KeyRule[] = [
    [settingsKey(), 'hget hset pexpire'],
    [modelRegistryKey(region), 'hgetall'],
    [nodeNameKey(`scaler:${region}`), 'get set del'],
    [scalerLogKey(region), 'lpush ltrim'],
    [scalerStateKey(region), 'get set'],
  ];
  return `${withScripts(may)} ${CONNECTION}`;
}

/** What the scripts do with the keys that they name is checked by the same rules. */
function withScripts(may: readonly KeyRule[]): string {
  const selectors = may.map(([key, commands]) => `(~${key} ${allowed(commands)})`);
  return `${keys(may.map(([key]) => key))} +eval +evalsha +multi +exec +discard ${selectors.join(' ')}`;
}

function allowed(commands: string): string {
  return commands
    .split(' ')
    .map(command => `+${command}`)
    .join(' ');
}

/** The pattern of all keys that a function makes. */
function every(keyOf: (id: string) => string): string {
  return keyOf('x').replace(/x$/, '*');
}

function keys(patterns: readonly string[]): string {
  return patterns.map(pattern => `~${pattern}`).join(' ');
}

function channels(patterns: readonly string[]): string {
  return patterns.map(pattern => `&${pattern}`).join(' ');
}
