/**
 * What workers say to this node: their packets and their questions. Whoever can reach the wires can say it, so it is checked here before it
 * changes anything: that it is about a request which its sender was given, and that nothing is published where it says. What is
 * wrong is dropped and counted.
 */
import type { Fleet } from '@penstock/fleet';
import {
  type AcceptedMeta,
  type AttemptKey,
  decodePacket,
  encodeMessage,
  type Frame,
  isOfOlderSubject,
  type QueueAddress,
  type ResumeAnswer,
  type ResumeQuestion,
  readResumeQuestion,
  readWantedQuestion,
  type WantedQuestion,
} from '@penstock/protocol';
import type { DroppedMessages } from '@penstock/runtime';
import type { ClaimCheck, ControlChannel, ReplyBus, WorkConsumer } from '@penstock/transport';

export interface FromWorkersOptions {
  readonly queue: Pick<WorkConsumer, 'isAckOf'>;
  readonly fleet: Pick<Fleet, 'hearQuote' | 'isKeyless'>;
  readonly dropped: DroppedMessages;
  readonly claims: Pick<ClaimCheck, 'opened'>;
}

/** What decides whether a worker may speak about a request. */
export interface GivenRequest {
  /** Of its message; see {@link WorkMeta.key}. */
  readonly key: string;
  /** See {@link isOfOlderSubject}. */
  readonly attempt: number;
  readonly address: QueueAddress;
  /** The attempt that holds it. */
  readonly running: { readonly worker: string; readonly nonce: number } | null;
}

/** Whom it is told. */
export interface WorkersHeard<R extends GivenRequest> {
  /** A request whose client waits here. */
  find(id: string): R | undefined;
  onFrame(request: R, frame: Frame, worker: string): void;
  /** A worker took a request that is not open here. */
  onStrange(worker: string, id: string, attempt: AttemptKey): void;
  answer(request: R, question: ResumeQuestion): ResumeAnswer;
  /** @returns ids of what nobody here wants. */
  unwanted(question: WantedQuestion): string[];
}

export class FromWorkers<R extends GivenRequest> {
  readonly #o: FromWorkersOptions;
  readonly #to: WorkersHeard<R>;

  constructor(options: FromWorkersOptions, to: WorkersHeard<R>) {
    this.#o = options;
    this.#to = to;
  }

  /** Resolves once replies are heard. */
  async listen(
    queue: Pick<ControlChannel, 'listen'>,
    bus: Pick<ReplyBus, 'listen'>,
    ingress: string,
  ): Promise<void> {
    queue.listen({ kind: 'ingress', ingress }, (payload, reply) => {
      const answer = this.#answerTo(payload);
      if (answer === null) this.#o.dropped.count('question');
      else reply(answer);
    });
    await bus.listen(
      ingress,
      packet => this.hear(packet),
      () => this.#o.dropped.count('hint'),
    );
  }

  #answerTo(payload: Uint8Array): Uint8Array | null {
    const question = readResumeQuestion(payload);
    if (question !== null) {
      const answer = this.#answer(question);
      return answer === null ? null : encodeMessage(answer);
    }
    const running = readWantedQuestion(payload);
    return running === null ? null : encodeMessage({ unwanted: this.#to.unwanted(running) });
  }

  #answer(question: ResumeQuestion): ResumeAnswer | null {
    const request = this.#to.find(question.id);
    if (request === undefined) return { kind: 'gone' };
    const { attempt, ack, key, worker } = question;
    const isOwn = this.#isGiven(request, attempt, worker, key) && this.#isOwnAck(request, attempt, ack);
    return isOwn ? this.#to.answer(request, question) : null;
  }

  hear(packet: Buffer): void {
    const { dropped, fleet } = this.#o;
    let decoded: ReturnType<typeof decodePacket>;
    try {
      decoded = decodePacket(packet);
    } catch {
      return dropped.count('packet');
    }
    const { worker, quote, frames } = decoded;
    dropped.count('frame', decoded.dropped);
    let isKnown = false;
    for (const frame of frames) {
      isKnown ||= this.#holds(worker, frame);
      this.#onFrame(frame, worker);
      isKnown ||= this.#holds(worker, frame);
    }
    // Whoever runs nothing for this node could quote in the name of another worker.
    if (isKnown) fleet.hearQuote(worker, quote);
  }

  #holds(worker: string, { id, nonce }: Frame): boolean {
    const running = this.#to.find(id)?.running;
    return running?.worker === worker && running.nonce === nonce;
  }

  #onFrame(frame: Frame, worker: string): void {
    const { id, kind, attempt: number, nonce, meta } = frame;
    const request = this.#to.find(id);
    if (request === undefined) {
      // What it names to be acked is of no request that is known here: the broker hands it out again, to be asked about.
      if (kind === 'accepted') this.#to.onStrange(worker, id, { number, nonce });
      return;
    }
    if (kind === 'accepted') {
      const { ack, key } = JSON.parse(meta) as AcceptedMeta;
      const isOwn = this.#isGiven(request, number, worker, key) && this.#isOwnAck(request, number, ack);
      if (!isOwn) return this.#o.dropped.count('frame');
    }
    const opened = this.#opened(frame);
    if (opened !== null) this.#to.onFrame(request, opened, worker);
  }

  /** Null for one that was sealed otherwise than its request's key and its place in its attempt say: it is missed, as one that was lost. */
  #opened(frame: Frame): Frame | null {
    try {
      return this.#o.claims.opened(frame);
    } catch {
      this.#o.dropped.count('frame');
      return null;
    }
  }

  /** Only who was given a message knows its key. What comes of a subject that the request has left is fenced, whoever sent it. */
  #isGiven(request: GivenRequest, attempt: number, worker: string, key: string | undefined): boolean {
    if (isOfOlderSubject(attempt, request.attempt)) return true;
    return key === undefined ? this.#o.fleet.isKeyless(worker) : key === request.key;
  }

  /** Deliveries of a subject that the request has left are not settled, whatever they are. */
  #isOwnAck(request: GivenRequest, attempt: number, ack: string | null): boolean {
    if (ack === null || isOfOlderSubject(attempt, request.attempt)) return true;
    return this.#o.queue.isAckOf(request.address, ack);
  }
}
