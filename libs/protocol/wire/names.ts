/**
 * The names that dispatch uses: subjects, streams, consumers, channels and keys. (Keys of stored things stand beside their records.)
 *
 * User text never becomes part of a name: a model travels as its registered slug, and all other tokens are made
 * here or checked by {@link assertToken}. A 5 KB subject would close the NATS connection that everyone shares.
 */
import { assertToken } from './token.ts';

/** Classes of urgency, highest first. The lower lanes get only idle capacity. */
export const LANES = ['interactive', 'background', 'batch'] as const;
export type Lane = (typeof LANES)[number];

/**
 * Prompt size classes. Interactive work has a consumer for each of the first three, so that a worker can quote it
 * separately; lower lanes take idle capacity only and are not told apart: theirs is `any`.
 */
export const SIZES = ['short', 'medium', 'long', 'any'] as const;
export type SizeClass = (typeof SIZES)[number];

/** Where one kind of work is queued. */
export interface WorkQueueKey {
  readonly region: string;
  readonly shard: number;
  readonly slug: string;
  readonly lane: Lane;
  readonly size: SizeClass;
}

/** `WORK_<region>_<shard>`: one JetStream work-queue stream. */
export function workStream(region: string, shard: number): string {
  return `WORK_${assertToken(region)}_${shard}`;
}

/** The shard whose stream has the name; null for a stream of something else. */
export function shardOfStream(region: string, stream: string): number | null {
  const prefix = `WORK_${assertToken(region)}_`;
  const shard = stream.slice(prefix.length);
  return stream.startsWith(prefix) && /^\d{1,3}$/.test(shard) ? Number(shard) : null;
}

/**
 * The shard a worker belongs to. A consumer walks its list of live pulls at each wake-up, so beyond about a thousand
 * workers of a model the region has several streams, each with its share of the workers.
 */
export function shardOf(worker: string, shards: number): number {
  let hash = 0;
  for (const char of worker) hash = (Math.imul(hash, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % shards;
}

/** All subjects of work in a region. */
export function workRegionSubjects(region: string): string {
  return `work.${assertToken(region)}.>`;
}

/** All subjects of one stream. */
export function workStreamSubjects(region: string, shard: number): string {
  return `work.${assertToken(region)}.${shard}.>`;
}

function queuePrefix(key: WorkQueueKey): string {
  return `work.${assertToken(key.region)}.${key.shard}.${assertToken(key.slug)}.${key.lane}.${key.size}`;
}

/** The exact subject of one request that any worker of the model may take; its last token is the request id. */
export function workSubject(key: WorkQueueKey, requestId: string): string {
  return `${queuePrefix(key)}.any.${assertToken(requestId)}`;
}

/** Where a publisher tries whether a stream takes messages. No consumer's filter matches it. */
export function probeSubject(region: string, shard: number, id: string): string {
  return `work.${assertToken(region)}.${shard}.probe.${assertToken(id.toLowerCase())}`;
}

/** What the shared consumer of a queue filters on. */
export function workFilter(key: WorkQueueKey): string {
  return `${queuePrefix(key)}.any.*`;
}

/** Durable name of the shared consumer of a queue. */
export function workConsumer(key: WorkQueueKey): string {
  return `${assertToken(key.slug)}_${key.lane}_${key.size}`;
}

/**
 * All queues of a slug in one shard.
 * @param isSized its interactive work is told apart by size; else all of it is of the shortest class.
 */
export function queueKeys(region: string, shard: number, slug: string, isSized: boolean): WorkQueueKey[] {
  const base = { region, shard, slug };
  const sizes = isSized ? (['short', 'medium', 'long'] as const) : (['short'] as const);
  return [
    ...sizes.map(size => ({ ...base, lane: 'interactive' as const, size })),
    { ...base, lane: 'background', size: 'any' },
    { ...base, lane: 'batch', size: 'any' },
  ];
}

/** The exact subject of one request that is bound to `worker`: only that worker, which should hold its prefix, may take it. */
export function boundSubject(key: WorkQueueKey, worker: string, requestId: string): string {
  return `${queuePrefix(key)}.to.${assertToken(worker)}.${assertToken(requestId)}`;
}

/** What a worker's own consumer filters on: work bound to it, of every model, lane and size. */
export function boundFilter(region: string, shard: number, worker: string): string {
  return `work.${assertToken(region)}.${shard}.*.*.*.to.${assertToken(worker)}.*`;
}

/** Durable name of a worker's own consumer. */
export function boundConsumer(worker: string): string {
  return `to_${assertToken(worker)}`;
}

/** Redis key of the workers that lately served one prefix, newest first, comma-separated. */
export function placementKey(prefix: string): string {
  return `penstock:place:${prefix}`;
}

/** Filters for the messages of one request in a stream, wherever it is queued. */
export function requestFilters(region: string, shard: number, requestId: string): string[] {
  const queue = `work.${assertToken(region)}.${shard}.*.*.*`;
  return [`${queue}.any.${assertToken(requestId)}`, `${queue}.to.*.${assertToken(requestId)}`];
}

/** Filters for the dead letter of one request, which may be part of something. */
export function deadFilters(region: string, requestId: string): string[] {
  const filter = `dead.${assertToken(region)}.*.${assertToken(requestId)}`;
  return [filter, `${filter}.*`];
}

/** Filter for the dead letters of all that is part of something. */
export function deadFilterOf(region: string, partOf: string): string {
  return `dead.${assertToken(region)}.*.*.${assertToken(partOf)}`;
}

/** Of a subject of a dead letter. */
export function readDeadSubject(subject: string): { readonly slug: string; readonly id: string } {
  const [, , slug = '', id = ''] = subject.split('.');
  return { slug, id };
}

/** `DEAD_<region>`: work that failed on every attempt, kept for an operator. */
export function deadStream(region: string): string {
  return `DEAD_${assertToken(region)}`;
}

export function deadStreamSubjects(region: string): string {
  return `dead.${assertToken(region)}.>`;
}

/** @param partOf see {@link WorkMeta.partOf}. */
export function deadSubject(region: string, slug: string, requestId: string, partOf?: string): string {
  const subject = `dead.${assertToken(region)}.${assertToken(slug)}.${assertToken(requestId)}`;
  return partOf === undefined ? subject : `${subject}.${assertToken(partOf)}`;
}

/** Redis channel on which one ingress hears frame packets. */
export function replyChannel(ingressId: string): string {
  return `penstock:reply:${assertToken(ingressId)}`;
}

/** Redis stream of the packets that one ingress has yet to read. It is authoritative; the channel only speeds up delivery. */
export function replyLog(ingressId: string): string {
  return `penstock:replylog:${assertToken(ingressId)}`;
}

/** Redis hash: bytes ever appended to the log of an ingress (`appended`), and up to where it has read them (`read`). */
export function replyMeter(ingressId: string): string {
  return `penstock:replymeter:${assertToken(ingressId)}`;
}

/** Redis hash of models ever announced in a region: slug → JSON {@link ModelInfo}. */
export function modelRegistryKey(region: string): string {
  return `penstock:models:${assertToken(region)}`;
}

/** Redis key of the process that holds a name. @param name with the kind of process: `ingress:in-1`. */
export function nodeNameKey(name: string): string {
  return `penstock:node:${name}`;
}

/** Redis hash of the settings that must be the same in all processes: name of the setting → JSON. */
export function settingsKey(): string {
  return 'penstock:settings';
}
