/**
 * One streamed answer of an engine, from its bytes to what has to be done about them. Decides on parsed events, and hands on the
 * bytes that came. The first events are held back until one says something: up to there an error can be told with its status.
 */
import {
  AnswerProgress,
  type Endpoint,
  type EngineError,
  endingOf,
  eventsOfAnswer,
  type FailedMeta,
  type SseEvent,
  SseReader,
  toPlainBytes,
  understandEvent,
  type WorkEnvelope,
} from '@penstock/protocol';

export type Heard =
  | { readonly kind: 'silence' }
  /** `events` are whole, and to be passed on; also below. */
  | { readonly kind: 'said'; readonly events: Buffer }
  /** The answer is complete. `[DONE]` is left out. */
  | { readonly kind: 'whole'; readonly events: Buffer }
  | { readonly kind: 'error'; readonly events: Buffer; readonly error: EngineError }
  | { readonly kind: 'broken'; readonly events: Buffer; readonly failure: FailedMeta };

/** A longer event is treated as garbage. */
const MAX_EVENT_BYTES = 32 * 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);
const SILENCE: Heard = { kind: 'silence' };

const DONE_EVENT = Buffer.from('data: [DONE]\n\n');
const MESSAGE_STOP = Buffer.from('event: message_stop\ndata: {"type":"message_stop"}\n\n');

/** What ends a stream that is whole. */
export function endEventOf(endpoint: Endpoint): Buffer {
  return endpoint === 'messages' ? MESSAGE_STOP : DONE_EVENT;
}

/** What a client asked for that says when its answer is whole. */
interface Terms {
  readonly choices: number;
  readonly usage: boolean;
}

export class StreamedAnswer {
  readonly #work: WorkEnvelope;
  readonly #reader = new SseReader();
  readonly #progress = new AnswerProgress();
  /** To be passed on. */
  #events: Buffer[] = [];
  #hasSpoken = false;
  #chunks = 0;
  #asked: Terms | null = null;

  constructor(work: WorkEnvelope) {
    this.#work = work;
  }

  /** Whether the engine has said something yet: text, a part of a call, an end. */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  /** Chunks that came, also those that say nothing: engines send such ones while they hold a tool call back. */
  get parts(): number {
    return this.#chunks;
  }

  /** Output tokens: as the engine reports them, else one a chunk. */
  get tokens(): number {
    return this.#progress.usage?.completion_tokens ?? this.#chunks;
  }

  /** Nothing is missing but the engine's word that this was all. */
  get mayBeWhole(): boolean {
    return this.#isWhole() && (!this.#terms().usage || this.#progress.usage !== null);
  }

  push(bytes: Buffer): Heard {
    for (const event of this.#reader.push(bytes)) {
      const last = this.#hear(event);
      if (last !== null) return last;
    }
    if (this.#reader.heldBytes > MAX_EVENT_BYTES)
      return this.#broken('the engine sent an event of more than 32 MB');
    const events = this.#hasSpoken ? this.#take() : NO_BYTES;
    return events.length === 0 ? SILENCE : { kind: 'said', events };
  }

  /** Instead of all events: the engine took no notice of `stream`. @param body its answer, which is whole. */
  tellWhole(body: Buffer): Heard {
    try {
      return this.push(eventsOfAnswer(body, this.#work.meta.endpoint, this.#terms().usage));
    } catch {
      return this.#broken('the engine did not answer with an event stream');
    }
  }

  /** The engine sends nothing more. Engines forget the blank line behind their last event. */
  end(): Heard {
    const rest = this.#reader.rest();
    if (rest !== null && understandEvent(rest).kind !== 'garbage') {
      const last = this.#hear(rest);
      if (last !== null) return last;
    }
    if (this.#isWhole()) return this.#whole();
    return this.#interrupted('the engine ended its stream too early');
  }

  /** @returns what ends the answer; null where it goes on. */
  #hear(event: SseEvent): Heard | null {
    const said = understandEvent(event);
    switch (said.kind) {
      case 'nothing':
        if (this.#hasSpoken) this.#pass(event);
        return null;
      case 'done':
        return this.#progress.hasEnded ? this.#whole() : this.#broken(endingOf(this.#progress));
      case 'error':
        if (this.#isWhole()) return this.#whole();
        return { kind: 'error', events: this.#hasSpoken ? this.#take() : NO_BYTES, error: said.error };
      case 'garbage':
        if (this.#isWhole()) return this.#whole();
        return this.#broken('the engine sent an event that is not JSON');
      case 'chunk':
        this.#hasSpoken = this.#progress.note(said.chunk) || this.#hasSpoken;
        if (this.#progress.badEnd !== null) return this.#interrupted(endingOf(this.#progress));
        this.#chunks++;
        this.#pass(event);
        return null;
    }
  }

  #pass(event: SseEvent): void {
    const bytes = toPlainBytes(event);
    if (bytes.length > 0) this.#events.push(bytes);
  }

  #take(): Buffer {
    const [first = NO_BYTES] = this.#events;
    const events = this.#events.length > 1 ? Buffer.concat(this.#events) : first;
    this.#events = [];
    return events;
  }

  /** All that was asked for has been said; a count of the tokens may be missing. */
  #isWhole(): boolean {
    return this.#progress.hasEnded && this.#progress.choices >= this.#terms().choices;
  }

  #whole(): Heard {
    return { kind: 'whole', events: this.#take() };
  }

  /** Another attempt may go on where this one stopped. */
  #interrupted(message: string): Heard {
    const events = this.#hasSpoken ? this.#take() : NO_BYTES;
    return { kind: 'broken', events, failure: { code: 'stream_interrupted', message, retryable: true } };
  }

  /** The engine is well and believes that it was right: once something was said, another attempt would only repeat it. */
  #broken(message: string): Heard {
    const events = this.#hasSpoken ? this.#take() : NO_BYTES;
    const code = this.#hasSpoken ? 'stream_interrupted' : 'engine_error';
    return { kind: 'broken', events, failure: { code, message, retryable: !this.#hasSpoken } };
  }

  #terms(): Terms {
    this.#asked ??= termsOf(this.#work);
    return this.#asked;
  }
}

/** Read only where it matters, and parsed only where the bytes name it. */
export function termsOf({ meta, body }: WorkEnvelope): Terms {
  const mayHaveMany = meta.endpoint === 'completions' || body.includes('"n"');
  if (!mayHaveMany && !body.includes('"include_usage"')) return { choices: 1, usage: false };
  const { n, prompt, stream_options } = JSON.parse(body.toString('utf8')) as {
    n?: unknown;
    prompt?: unknown;
    stream_options?: { include_usage?: unknown } | null;
  };
  const prompts = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1;
  const choices = typeof n === 'number' ? n * prompts : prompts;
  return { choices, usage: stream_options?.include_usage === true };
}
