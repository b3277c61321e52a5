/** One chat or completion request on its way through the batcher to the client, streamed or whole. */
import type { ServerResponse } from 'node:http';
import type { Batcher, Sequence } from '../batching/batcher.ts';
import type { EngineState } from '../engine/engine.ts';
import type { LateFault } from '../engine/faults.ts';
import type { RequestRecord } from '../engine/ledger.ts';
import { type Answer, type Job, piecesOf } from '../model/job.ts';
import { sendJson, sendServerError } from './http-io.ts';
import {
  type AnswerHead,
  DONE_EVENT,
  type EventWriter,
  errorBody,
  eventWriter,
  type UsageObject,
  usageOf,
  wholeAnswer,
} from './shapes.ts';

export interface LateFaultAt {
  readonly fault: LateFault;
  /** Tokens of this attempt, all choices together, that still come out. */
  readonly after: number;
}

interface Choice {
  readonly answer: Answer;
  sequence: Sequence | null;
  /** Tokens handed out. */
  sent: number;
  done: boolean;
}

export class Generation {
  readonly #engine: EngineState;
  readonly #batcher: Batcher;
  readonly #res: ServerResponse;
  readonly #job: Job;
  readonly #fault: LateFaultAt | null;
  readonly #record: RequestRecord;
  readonly #head: AnswerHead;
  readonly #events: EventWriter | null;
  readonly #choices: readonly Choice[];
  /** Nothing more is sent: answered, failed or the client is gone. */
  #over = false;

  constructor(
    engine: EngineState,
    batcher: Batcher,
    res: ServerResponse,
    job: Job,
    fault: LateFaultAt | null,
  ) {
    this.#engine = engine;
    this.#batcher = batcher;
    this.#res = res;
    this.#job = job;
    this.#fault = fault;
    this.#choices = job.answers.map(answer => ({ answer, sequence: null, sent: 0, done: false }));
    const first = job.answers[0];
    this.#record = engine.ledger.start({
      promptHash: first?.hash ?? '',
      model: job.model,
      from: first?.from ?? 0,
    });
    if (job.mismatch) engine.ledger.mismatchedContinuations++;
    this.#head = {
      endpoint: job.endpoint,
      id: `${job.endpoint === 'chat' ? 'chatcmpl' : 'cmpl'}-${engine.nextId()}`,
      created: Math.floor(Date.now() / 1000),
      model: job.model,
    };
    this.#events = job.stream ? eventWriter(this.#head, engine.tokensPerChunk) : null;
  }

  start(): void {
    // llama.cpp computes a plain answer to its end, whoever is left to read it.
    const notices = this.#events !== null || this.#engine.dialect !== 'llamacpp';
    if (notices) this.#res.on('close', () => this.#clientGone());
    this.#choices.forEach((choice, index) => {
      if (this.#over) return;
      const { promptTokens, outputTokens, blocks, answeredBlocks } = choice.answer;
      const deliver = (produced: number, done: boolean) => this.#deliver(choice, index, produced, done);
      choice.sequence = this.#batcher.submit({
        promptTokens,
        outputTokens,
        blocks,
        answeredBlocks,
        deliver,
      });
    });
  }

  #deliver(choice: Choice, index: number, produced: number, done: boolean): void {
    if (this.#over) return;
    const room = this.#fault === null ? Number.POSITIVE_INFINITY : this.#fault.after - this.#record.tokens;
    const fresh = Math.min(produced - choice.sent, room);
    const faulty = fresh === room;
    if (this.#events && fresh < this.#engine.tokensPerChunk && !done && !faulty) return;
    const from = choice.sent;
    choice.sent += fresh;
    this.#record.tokens += fresh;
    this.#engine.ledger.generationTokens += fresh;
    const { sequence } = choice;
    if (index === 0 && from === 0 && sequence !== null && sequence.firstTokenAt !== null) {
      const { cachedTokens, submittedAt, firstTokenAt } = sequence;
      this.#record.timeline = { cachedTokens, submittedAt, firstTokenAt };
    }
    choice.done = done && !faulty;
    let out = this.#events ? this.#write(this.#events, choice, index, from) : '';
    if (faulty) return this.#break(out);
    if (this.#choices.every(c => c.done)) {
      out += this.#finish();
      if (this.#events) this.#res.end(out);
    } else if (out !== '') {
      this.#openStream();
      this.#res.write(out);
    }
  }

  /** All events of one choice that this step gave rise to: one write. */
  #write(events: EventWriter, choice: Choice, index: number, from: number): string {
    const { call, finishReason } = choice.answer;
    const pieces = piecesOf(choice.answer, from, choice.sent);
    const begins = from === 0 && (choice.sent > 0 || choice.done);
    let out = begins ? events.role(index) : '';
    if (call === null) out += events.tokens(index, pieces);
    else out += (begins ? events.call(index, call.name) : '') + events.callArguments(index, pieces);
    if (choice.done) out += events.finish(index, finishReason);
    return out;
  }

  /** Ends a good answer. @returns what is left to write to a stream */
  #finish(): string {
    this.#over = true;
    const usage = this.#usage();
    this.#engine.ledger.promptTokens += usage.prompt_tokens;
    this.#engine.ledger.cachedTokens += usage.prompt_tokens_details.cached_tokens;
    this.#engine.ledger.end(this.#record, 'finished');
    if (!this.#events) {
      sendJson(this.#res, 200, this.#whole(usage));
      return '';
    }
    this.#openStream();
    return (this.#job.includeUsage ? this.#events.usage(usage) : '') + DONE_EVENT;
  }

  #whole(usage: UsageObject): object {
    const choices = this.#choices.map(({ answer, sent }) => ({
      text: piecesOf(answer, 0, sent).join(''),
      call: answer.call?.name ?? null,
      finishReason: answer.finishReason,
    }));
    return wholeAnswer(this.#head, choices, usage);
  }

  #usage(): UsageObject {
    let cached = 0;
    for (const { answer, sequence } of this.#choices)
      if (answer.variant === 0) cached += sequence?.cachedTokens ?? 0;
    return usageOf(this.#job.promptTokens, this.#record.tokens, cached);
  }

  #openStream(): void {
    if (this.#res.headersSent) return;
    this.#res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  }

  /** The fault strikes after the last good tokens, `out`. */
  #break(out: string): void {
    this.#over = true;
    this.#abortSequences();
    const fault = this.#fault?.fault;
    if (fault === 'hang') return this.#hang(out);
    this.#engine.ledger.end(this.#record, 'failed');
    if (fault === 'destroy') return this.#cut(out);
    const error = errorBody('the simulated engine failed', 'InternalServerError', 500);
    if (!this.#events) {
      if (fault === 'error') return sendServerError(this.#res, 'the simulated engine failed');
      const whole = JSON.stringify(this.#whole(this.#usage()));
      this.#res.writeHead(200, { 'content-type': 'application/json' });
      this.#res.end(whole.slice(0, whole.length >> 1));
      return;
    }
    this.#openStream();
    // vLLM closes a failed stream with [DONE] too.
    if (fault === 'error') this.#res.end(`${out}data: ${JSON.stringify(error)}\n\n${DONE_EVENT}`);
    else this.#res.end(fault === 'half-event' ? out + this.#halfEvent(this.#events) : out);
  }

  #halfEvent(events: EventWriter): string {
    const event = events.tokens(0, [' half']);
    return event.slice(0, event.length >> 1);
  }

  #hang(out: string): void {
    this.#engine.hanging++;
    this.#res.on('close', () => {
      this.#engine.hanging--;
      this.#engine.ledger.end(this.#record, 'aborted');
    });
    if (out === '') return;
    this.#openStream();
    this.#res.write(out);
  }

  /** Drops the connection once what was written has left. */
  #cut(out: string): void {
    if (out === '') {
      this.#res.destroy();
      return;
    }
    this.#openStream();
    this.#res.write(out, () => this.#res.destroy());
  }

  #clientGone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#abortSequences();
    this.#engine.ledger.end(this.#record, 'aborted');
  }

  #abortSequences(): void {
    for (const { sequence } of this.#choices) if (sequence !== null) this.#batcher.abort(sequence);
  }
}
