/**
 * Takes deliveries: runs them, asks their ingress, begins their stored run, hands them back, or drops them.
 *
 * The ingress that waits for an interactive request settles its deliveries. The worker settles only what it never started:
 * work there is no room for or that may be of a later version (NAK), and work that is unreadable or that nobody wants (TERM).
 */
import { kvNeed, storePauseMs } from '@penstock/policy';
import {
  ATTEMPTS_A_SUBJECT,
  type AttemptKey,
  decodeEnvelope,
  encodeMessage,
  type QueueAddress,
  UnreadableEnvelope,
  type WorkEnvelope,
  type WorkMeta,
} from '@penstock/protocol';
import { type Clock, type DroppedMessages, drawNonce, type Logger } from '@penstock/runtime';
import { type ControlChannel, type Delivery, SealError, type WorkConsumer } from '@penstock/transport';
import { createContinuation } from '../attempts/continuation.ts';
import type { Continuing } from '../attempts/continuing.ts';
import type { AttemptSink, RunningAttempts } from '../attempts/running-attempts.ts';
import type { ResumeState } from '../stored/resume-state.ts';
import type { Beginning, StoredRuns } from '../stored/stored-runs.ts';
import { type AskReason, decideAdmission, decideOnAnswer } from './decide-admission.ts';
import { PendingStarts } from './pending-starts.ts';

const ASK_TIMEOUT_MS = 2000;
/** Before a delivery comes again whose ingress did not answer. */
const RETRY_MS = 1000;
/** Before work that could not be read is delivered to another worker. */
const NEWER_MS = 2000;

export interface AdmissionOptions {
  readonly worker: string;
  /** Requests that there is room for at once, now. */
  readonly slots: () => number;
  readonly queue: Pick<WorkConsumer, 'settle'> & Pick<ControlChannel, 'ask'>;
  readonly stored: Pick<StoredRuns, 'asStored' | 'attach' | 'begin' | 'collect' | 'receive' | 'release'>;
  readonly continuing: Pick<Continuing, 'canContinue' | 'countTokens'>;
  readonly running: Pick<RunningAttempts, 'cancel' | 'has' | 'run' | 'size'>;
  /** Takes the frames of attempts whose ingress waits. */
  readonly replies: AttemptSink;
  /** Whether nothing is taken now, whatever room there is. */
  readonly isClosed: () => boolean;
  /** There is room for the delivery, and it can be read. */
  readonly onTaken: (meta: WorkMeta) => void;
  /** A delivery that was taken may have given up its slot. */
  readonly onSettled: () => void;
  /** Counts what cannot be read. */
  readonly dropped: DroppedMessages;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Admission {
  readonly #o: AdmissionOptions;
  readonly #starts = new PendingStarts();
  /** Since when the store has refused to note that a run begins, monotonic ms; null where it took the last one. */
  #refusedSince: number | null = null;

  constructor(options: AdmissionOptions) {
    this.#o = options;
  }

  /** Slots in use: attempts that run, and deliveries that are about to. */
  get slotsTaken(): number {
    return this.#o.running.size + this.#starts.size;
  }

  /** KV memory that deliveries which are about to run are likely to need, tokens. */
  get kvPending(): number {
    return this.#starts.kvTokens;
  }

  /** @returns whether there was room for it; else it was handed back. */
  take(delivery: Delivery): boolean {
    const { queue, slots, isClosed, clock } = this.#o;
    if (isClosed() || this.slotsTaken >= slots()) {
      queue.settle(delivery.ackSubject, 'nak');
      return false;
    }
    const work = this.#decode(delivery);
    if (work === null) return true;
    this.#o.onTaken(work.meta);
    const { running, replies } = this.#o;
    const { id } = work.meta;
    const runsHere = running.has(id) || this.#starts.has(id);
    const decision = decideAdmission(work.meta, delivery.deliveryCount, clock.now(), runsHere);
    const attempt = attemptKeyOf(delivery, work);
    if (decision.kind === 'run') running.run(delivery, work, attempt, null, replies);
    else if (decision.kind === 'ask') void this.#ask(delivery, work, attempt, decision.reason);
    else void this.#beginStored(delivery, work, attempt);
    return true;
  }

  /** @param attempt see {@link isMeant}. */
  cancel(id: string, attempt: AttemptKey): void {
    this.#starts.cancel(id, attempt);
    this.#o.running.cancel(id, attempt);
  }

  /** Null where it cannot be read: then it is settled. A worker of a later version may read it; it is in the queue until its time is over. */
  #decode(delivery: Delivery): WorkEnvelope | null {
    const { queue, dropped, log } = this.#o;
    try {
      return this.#o.stored.receive(decodeEnvelope(delivery.data));
    } catch (err) {
      if (err instanceof SealError) {
        // Another worker may have the key.
        queue.settle(delivery.ackSubject, 'nak', NEWER_MS);
        log.error({ err }, 'ALARM: encrypted work cannot be opened here');
        return null;
      }
      if (err instanceof UnreadableEnvelope && err.mayBeNewer) {
        queue.settle(delivery.ackSubject, 'nak', NEWER_MS);
        log.error({ err }, 'work left to workers of a later version');
        return null;
      }
      queue.settle(delivery.ackSubject, 'term');
      dropped.count('delivery');
      log.error({ err }, 'unreadable work dropped');
      return null;
    }
  }

  async #ask(delivery: Delivery, work: WorkEnvelope, attempt: AttemptKey, reason: AskReason): Promise<void> {
    const { queue, stored, running, replies, onSettled } = this.#o;
    const { known, isCancelled } = await this.#starts.during(
      work.meta.id,
      attempt,
      kvNeed(work.meta.promptTokens, work.meta.maxTokens),
      this.#decide(delivery, work, attempt, reason),
    );
    const { decision, goesOn } = known;
    // Its ingress has purged the message, or told another worker to run it: then it is settled with that one.
    if (isCancelled || decision.kind === 'leave') return onSettled();
    if (decision.kind === 'run') {
      const { resume } = decision;
      const continuation = resume === null ? null : createContinuation(work.meta.endpoint, resume, goesOn);
      return running.run(delivery, work, attempt, continuation, replies);
    }
    const converted = decision.kind === 'retry' ? null : await stored.asStored(work).catch(() => null);
    if (converted !== null) await this.#beginStored(delivery, converted, attempt);
    else if (decision.kind === 'find_record' && decision.otherwise === 'drop')
      queue.settle(delivery.ackSubject, 'term');
    else queue.settle(delivery.ackSubject, 'nak', RETRY_MS);
    onSettled();
  }

  /** Asks the ingress, and the engine where a stream is to go on. */
  async #decide(
    delivery: Delivery,
    { meta }: WorkEnvelope,
    { number, nonce }: AttemptKey,
    reason: AskReason,
  ) {
    const { queue, worker, continuing } = this.#o;
    const { ackSubject: ack } = delivery;
    const question = encodeMessage({ id: meta.id, attempt: number, worker, nonce, ack, key: meta.key });
    const answer = await queue.ask({ kind: 'ingress', ingress: meta.from }, question, ASK_TIMEOUT_MS);
    const decision = decideOnAnswer(answer, reason, delivery.deliveryCount);
    const resume = decision.kind === 'run' ? decision.resume : null;
    if (decision.kind !== 'run' || resume === null || resume.text === '') return { decision, goesOn: true };
    if (!(await continuing.canContinue(meta))) return { decision, goesOn: false };
    const tokens = resume.tokens ?? (await continuing.countTokens(meta, resume.text));
    return { decision: { ...decision, resume: { ...resume, tokens } }, goesOn: true };
  }

  async #beginStored(delivery: Delivery, work: WorkEnvelope, attempt: AttemptKey): Promise<void> {
    const { queue, running, onSettled } = this.#o;
    const { known: beginning, isCancelled } = await this.#starts.during(
      work.meta.id,
      attempt,
      kvNeed(work.meta.promptTokens, work.meta.maxTokens),
      this.#noted(work, delivery.address, attempt),
    );
    if (isCancelled) queue.settle(delivery.ackSubject, 'term');
    else if (typeof beginning === 'number') queue.settle(delivery.ackSubject, 'nak', beginning);
    else if (beginning.kind === 'gone') queue.settle(delivery.ackSubject, 'term');
    else if (beginning.kind === 'begun')
      running.run(delivery, work, attempt, beginning.continuation, this.#record(beginning.resumeState));
    // Fenced: a later attempt is the current one, and a settlement here would settle its delivery.
    onSettled();
  }

  /** @returns what the run begins with; where the store could not be reached or refused, in how many ms to try again. */
  async #noted(work: WorkEnvelope, address: QueueAddress, attempt: AttemptKey): Promise<Beginning | number> {
    const { stored, clock, log } = this.#o;
    try {
      const beginning = await stored.begin(work, address, attempt);
      this.#refusedSince = null;
      return beginning;
    } catch (err) {
      log.error({ id: work.meta.id, err }, 'stored run not begun');
      this.#refusedSince ??= clock.monotonic();
      return storePauseMs(clock.monotonic() - this.#refusedSince);
    }
  }

  /** Takes the frames of an attempt at a stored run. */
  #record(resumeState: ResumeState | null): AttemptSink {
    const { stored } = this.#o;
    return {
      attach: attempt => stored.attach(attempt, resumeState),
      ready: attempt => stored.collect(attempt),
      release: attempt => stored.release(attempt),
    };
  }
}

/** Moving a request to another subject resets its delivery count; the base keeps attempt numbers rising nevertheless. */
function attemptKeyOf({ deliveryCount }: Delivery, { meta }: WorkEnvelope): AttemptKey {
  // What is handed back more often is told apart by its nonces. Stored runs have no frames, and their records no limit.
  const count = meta.stored ? deliveryCount : Math.min(deliveryCount, ATTEMPTS_A_SUBJECT - 1);
  return { number: meta.attemptBase + count, nonce: drawNonce() };
}
