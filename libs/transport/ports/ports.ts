/**
 * The two roads between processes, as the services see them. No vendor type appears here.
 *
 * **WorkQueue** promises: `publish` resolved = stored by the broker; a message goes to one puller at a time, lowest
 * priority number first; unsettled messages come back. It does *not* promise exactly-once delivery, nor that the
 * attempt that settles a message is the current one: the broker ignores who acks, so only the holder of the truth may.
 *
 * **ReplyBus** promises: packets reach the listening ingress in log order, each at least once, across reconnects of
 * either side, as long as the log still holds them. It does *not* promise delivery to an ingress that is gone.
 */
import type { Readable } from 'node:stream';
import type {
  BatchRecord,
  FileRecord,
  NewRun,
  RunLogKind,
  RunResult,
  RunStatus,
  StoredRun,
  WorkQueueKey,
} from '@penstock/protocol';

/** A server that cannot be used: not there, or too old. The message names what is wrong, never a password. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
}

/** How a delivery is closed. `progress` restarts its lease instead. */
export type Settlement = 'ack' | 'nak' | 'term' | 'progress';

export interface Delivery {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Opaque; echoed to {@link WorkQueue.settle} by whoever settles. */
  readonly ackSubject: string;
  /** 1 for the first delivery. Used as the attempt number that fences replies. */
  readonly deliveryCount: number;
}

export interface PublishOptions {
  /** Broker-side dedupe id for repeated publishes. */
  readonly messageId: string;
  /** Lifetime in the queue, ms; rounded up to whole seconds. */
  readonly ttlMs: number;
}

export interface StreamLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

export interface ConsumerOptions {
  /** Lease of a delivery, ms: unsettled for longer, it is delivered again. */
  readonly ackWaitMs: number;
}

/** One live pull on one consumer. See nats-puller.ts for its states. */
export interface Puller {
  /** States what the worker would take now. `null` withdraws the bid. Cheap to call when nothing changed. */
  bid(offer: { level: number; batch: number } | null): void;
  /** Withdraws the bid for good and resolves when nothing can arrive any more. */
  stop(): Promise<void>;
}

export interface WorkQueue {
  ensureWorkStream(region: string, shard: number, limits: StreamLimits): Promise<void>;
  ensureDeadStream(region: string): Promise<void>;
  ensureConsumer(key: WorkQueueKey, options: ConsumerOptions): Promise<void>;
  /** The worker's own consumer, for work that only it may take. Forgotten by the broker when long unused. */
  ensureStickyConsumer(
    region: string,
    shard: number,
    worker: string,
    options: ConsumerOptions,
  ): Promise<void>;
  /** @throws DispatchError `queue_full` or `broker_unavailable`. */
  publish(subject: string, payload: Uint8Array, options: PublishOptions): Promise<void>;
  /** The message stored under an exact subject, or null. */
  read(stream: string, subject: string): Promise<Uint8Array | null>;
  /** Deletes whatever is queued or in delivery under the exact subject. Fire and forget. */
  purge(stream: string, subject: string): void;
  /** As {@link purge}, and resolves when it is done: the broker may take a publish that follows a purge before it. */
  clear(stream: string, subject: string): Promise<void>;
  /**
   * Copies the message under `subject` to the dead-letter stream, with the reason as a header. The original stays
   * until it is settled. Does nothing when it is gone already.
   * @throws DispatchError when the broker does not say within some seconds that it has the copy.
   */
  moveToDead(stream: string, subject: string, deadSubject: string, reason: string): Promise<void>;
  settle(ackSubject: string, how: Settlement, delayMs?: number): void;
  /** @param onSurplus a message came after its pull was taken back, and was returned. */
  pull(key: WorkQueueKey, onDelivery: (delivery: Delivery) => void, onSurplus?: () => void): Puller;
  pullSticky(
    region: string,
    shard: number,
    worker: string,
    onDelivery: (delivery: Delivery) => void,
    onSurplus?: () => void,
  ): Puller;
  /** Messages waiting for a first delivery, over all consumers of the stream. */
  backlog(region: string, shard: number): Promise<number>;
  /** One queue: messages waiting, and how many were ever handed out. Null while nobody knows. */
  lane(key: WorkQueueKey): Promise<{ pending: number; delivered: number } | null>;
  /** Plain messages beside the queue: heartbeats, cancels, questions. At most once. */
  send(subject: string, payload: Uint8Array): void;
  listen(
    subject: string,
    onMessage: (payload: Uint8Array, reply: (answer: Uint8Array) => void) => void,
  ): void;
  /** Never rejects: `nobody` listens at all, or it was a `timeout`. */
  ask(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Answer>;
  readonly connected: boolean;
  close(): Promise<void>;
}

export type Answer = { kind: 'answer'; payload: Uint8Array } | { kind: 'nobody' } | { kind: 'timeout' };

export interface ReplyBus {
  /** Appends to the ingress' log and hints it. Retried over reconnects, in order. */
  publish(ingressId: string, packet: Buffer): Promise<void>;
  /** Bytes handed to `publish` and not yet confirmed. */
  readonly pendingBytes: number;
  listen(ingressId: string, onPacket: (packet: Buffer) => void): Promise<void>;
  readonly connected: boolean;
  close(): Promise<void>;
}

/** Names of models ever announced, so that requests can wait for a model whose workers are all away. */
export interface ModelRegistry {
  announce(region: string, slug: string, info: Uint8Array): Promise<void>;
  list(region: string): Promise<Uint8Array[]>;
}

/** Which workers lately served a prompt prefix. A hint, shared by all ingress nodes of a region; lost entries cost a cache hit. */
export interface PlacementStore {
  /** Owners of each prefix, newest first, as they were learned; empty where nothing is known. Never fails: no answer is no hint. */
  lookup(prefixes: readonly string[]): Promise<string[][]>;
  learn(entries: readonly { prefix: string; owners: readonly string[] }[]): void;
}

/** What a client's `Idempotency-Key` is bound to. */
export interface Idempotency {
  readonly key: string;
  /** Of endpoint and body: the same key with another request is a mistake of the client. */
  readonly digest: string;
}

export type CreateOutcome =
  | { readonly kind: 'created' | 'repeated'; readonly id: string }
  | { readonly kind: 'reused' };
/** `fenced`: a later attempt has begun. `gone`: final, cancelled or unknown. */
export type BeginOutcome = 'begun' | 'fenced' | 'gone';
export type FailOutcome = 'again' | 'final' | 'fenced';

/** How a run ended. */
export interface RunEnd {
  readonly status: 'completed' | 'incomplete' | 'failed';
  readonly result: RunResult;
  readonly log: RunLogKind;
  /** What is still to be logged, and how many entries there were before it. */
  readonly last: { readonly entry: Buffer; readonly at: number } | null;
}

/** How long a final run, and its log, are kept from then on, ms. */
export interface RunTtl {
  readonly recordMs: number;
  readonly logMs: number;
}

/**
 * Requests whose answers are kept. Promises: each change is made only by the attempt that is current, and at once; `finish`
 * resolved true = the answer is stored. Does *not* promise to outlive a Redis without persistence.
 */
export interface RunStore {
  /**
   * A record that is there already stays as it is: `repeated`.
   * @param ttlMs how long the record is kept from now.
   */
  create(run: NewRun, ttlMs: number, idempotency: Idempotency | null): Promise<CreateOutcome>;
  /** Stores a run that was answered already. */
  keep(run: NewRun, end: RunEnd, ttl: RunTtl): Promise<void>;
  /** Takes back a run whose message was refused. @returns false where a worker has begun it: the message is there after all. */
  withdraw(id: string, idempotencyKey: string | null): Promise<boolean>;
  begin(id: string, attempt: number, worker: string): Promise<BeginOutcome>;
  /** @returns false when the attempt is not the current one: then nothing was written and nothing may be acked. */
  finish(id: string, attempt: number, end: RunEnd, ttl: RunTtl): Promise<boolean>;
  /** `again` puts the run back to queued; `final` after so many failures stores the error. */
  fail(
    id: string,
    attempt: number,
    end: Pick<RunEnd, 'result' | 'log'>,
    mostFailures: number,
    ttl: RunTtl,
  ): Promise<FailOutcome>;
  /** Final ones stay as they are. @returns false for an unknown or foreign run. */
  cancel(run: Pick<NewRun, 'id' | 'tenant' | 'log'>, now: number, ttl: RunTtl): Promise<boolean>;
  /**
   * Fails a run whose deadline has passed, a running one only `slackMs` later. @returns whether it did.
   */
  expire(run: Pick<NewRun, 'id' | 'log'>, error: RunResult, slackMs: number, ttl: RunTtl): Promise<boolean>;
  /** Unix ms by the clock of the store, for who cannot trust its own. */
  time(): Promise<number>;
  /**
   * Puts a failed run back to queued with a new deadline; its attempts go on counting, so that old ones stay fenced. What was
   * logged stays only if somebody read it. @returns false for one that is not failed.
   */
  reopen(id: string, deadlineAt: number, ttlMs: number): Promise<boolean>;
  read(id: string): Promise<StoredRun | null>;
  /** Replaces the detail of a run that is still there. */
  describe(id: string, detail: string): Promise<void>;
  /** Adds a run to its tenant's list, and drops from that what has expired. */
  list(tenant: string, id: string, createdAt: number, ttl: RunTtl): Promise<void>;
  unlist(tenant: string, id: string): Promise<void>;
  /** Ids by creation time behind `after`; null where that is not known. */
  listed(tenant: string, order: 'asc' | 'desc', after: string | null, most: number): Promise<string[] | null>;
  /** How far each run is, with the status code of its answer; null where there is none. */
  progress(ids: readonly string[]): Promise<({ status: RunStatus; code: number } | null)[]>;
  /** Shortens the life of runs that are done with. */
  shorten(ids: readonly string[], ttlMs: number): Promise<void>;
  /** Forgets the run, and what its client's key stood for. */
  remove(id: string, idempotencyKey: string | null): Promise<void>;
  close(): Promise<void>;
}

/** What became of an append: how many follow the log now; `fenced`: the attempt is not the current one; `torn`: the log is not what it was. */
export type AppendOutcome = number | 'fenced' | 'torn';

export interface LogSlice {
  readonly status: RunStatus;
  readonly attempt: number;
  readonly entries: readonly Buffer[];
}

/** A hint: the log had so many entries after `entry`; or null, the run is final. */
export type LogHint = { readonly length: number; readonly entry: Buffer } | null;

/**
 * Logs of stored runs. Promises: entries are appended by the current attempt only, each once, also when a command is sent
 * twice; a reader that asks from an index on misses none. Hints are *not* promised.
 */
export interface RunLog {
  /** @param at entries before this one. */
  append(id: string, attempt: number, at: number, entry: Buffer): Promise<AppendOutcome>;
  /** @param from index of the first entry. Null for an unknown run. */
  slice(id: string, from: number, most: number): Promise<LogSlice | null>;
  /** For the attempt that goes on: reading it this way does not forbid to restart. */
  peek(id: string, from: number, most: number): Promise<readonly Buffer[]>;
  /** Empties the log for an attempt that begins anew, unless somebody has read of it. @returns whether it did. */
  restart(id: string, attempt: number): Promise<boolean>;
  /** @returns stops it. */
  watch(id: string, onHint: (hint: LogHint) => void): Promise<() => void>;
  close(): Promise<void>;
}

export interface StoredContent {
  /** SHA-256, hex. */
  readonly digest: string;
  readonly bytes: number;
}

/** Contents of files. Promises: `put` resolved = on disk, whole, under its digest; rejected = nothing is left of it. */
export interface FileContents {
  put(content: Readable): Promise<StoredContent>;
  /** Null where nothing is under the digest. */
  open(digest: string): Promise<Readable | null>;
  has(digest: string): Promise<boolean>;
  drop(digest: string): Promise<void>;
  /** Removes what processes left that died in the middle of a `put`. */
  tidy(): Promise<void>;
}

export interface PageOrder {
  readonly limit: number;
  readonly order: 'asc' | 'desc';
  /** Id of the last item of the page before. */
  readonly after: string | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/**
 * What is known of files and batches. Lists are in the order in which things were added; a page begins behind `after` also
 * when that was deleted within the last hour, so that who pages misses nothing and sees nothing twice.
 */
export interface TaskRecords {
  /**
   * @param upload digest of the whole upload, by which {@link uploadedBefore} finds the file for ten minutes.
   * @returns false when its content is being deleted: nothing was added then.
   */
  addFile(file: FileRecord, upload: string | null): Promise<boolean>;
  uploadedBefore(upload: string): Promise<FileRecord | null>;
  file(id: string): Promise<FileRecord | null>;
  /** Null when `after` is unknown. */
  files(tenant: string, purpose: string | null, order: PageOrder): Promise<Page<FileRecord> | null>;
  removeFile(file: FileRecord): Promise<void>;
  /** Ids of files whose time is over. */
  endedFiles(nowS: number, most: number): Promise<string[]>;
  /** @returns whether nothing holds the content any more: it is marked as going, and the caller has to drop it. */
  releaseContent(digest: string, holder: string): Promise<boolean>;
  contentGone(digest: string): Promise<void>;
  /** Its input's content is held until the batch is over. */
  addBatch(batch: BatchRecord, idempotency: Idempotency | null): Promise<CreateOutcome>;
  batch(id: string): Promise<BatchRecord | null>;
  batches(tenant: string, order: PageOrder): Promise<Page<BatchRecord> | null>;
  /** Batches that were added and not yet forgotten as open. */
  openBatches(): Promise<string[]>;
  forgetOpenBatch(id: string): Promise<void>;
  /** @returns false for a batch that is final, or whose state is past the one to be entered. */
  updateBatch(id: string, change: Partial<Omit<BatchRecord, 'at'>>, nowS: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Batches to be worked on. Promises: each added batch is run until `run` resolves, again after a crash. Not: only once at a time. */
export interface BatchJobs {
  /** Does nothing for a batch that is there already. */
  add(batchId: string): Promise<void>;
  /** @param failed told of a batch that will be tried again, or of trouble with the job queue itself (null). */
  work(run: (batchId: string) => Promise<void>, failed: (batchId: string | null, err: Error) => void): void;
  close(): Promise<void>;
}

/** Deadlines of unfinished runs that somebody has to be told about. */
export interface RunDeadlines {
  /** Ids of those that are over, oldest first; some of them where there are many. */
  due(now: number): Promise<string[]>;
  /** Looks at it again at that time, Unix ms. */
  again(id: string, at: number): Promise<void>;
  forget(id: string): Promise<void>;
  close(): Promise<void>;
}

/** Work that failed on every attempt. Holds no part of the request. */
export interface DeadLetter {
  readonly id: string;
  readonly subject: string;
  readonly slug: string;
  readonly reason: string;
  /** Unix ms. */
  readonly diedAt: number;
  readonly bytes: number;
}

export interface DeadLetters {
  /** Oldest first. */
  list(): Promise<DeadLetter[]>;
  get(id: string): Promise<{ readonly letter: DeadLetter; readonly data: Uint8Array } | null>;
  drop(letter: DeadLetter): Promise<void>;
  close(): Promise<void>;
}
