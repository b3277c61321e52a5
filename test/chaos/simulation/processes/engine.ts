/** An engine whose answer to a question is known beforehand: so many words, the same at every engine, some milliseconds apart. */
import type { Endpoint } from '@penstock/protocol';
import type { Engine, EngineHandlers } from '../../../../services/worker/engine/engine.ts';
import type { Proc, Scheduled, VirtualTime } from '../world/virtual-time.ts';

export const MODEL = 'm';

/** One call that is being answered. */
export interface EngineCall {
  readonly question: string;
  readonly since: number;
}

export interface EngineTraits {
  /** Between two words, ms. */
  readonly wordMs: number;
  /** Before the first word, ms. */
  readonly firstMs: number;
}

/** Question and number of words: `q7 40`. */
export function wordsOf(question: string): string[] {
  const [name = '', count = '0'] = question.split(' ');
  return Array.from({ length: Number(count) }, (_, i) => `${name}.${i} `);
}

export const textOf = (question: string) => wordsOf(question).join('');

export class SimulatedEngine {
  readonly #time: VirtualTime;
  /** The machine that it runs on: it outlives its worker. */
  readonly #proc: Proc;
  readonly traits: EngineTraits;
  readonly calls = new Set<EngineCall>();
  /** How many of the next calls it fails, and where. */
  failures: ('refuses' | 'breaks')[] = [];
  #answers = 0;

  constructor(time: VirtualTime, proc: Proc, traits: EngineTraits) {
    this.#time = time;
    this.#proc = proc;
    this.traits = traits;
  }

  /** @param worker its process: once that is dead, its calls are broken off. */
  forWorker(
    worker: Proc,
  ): Pick<Engine, 'ask' | 'endpoints' | 'gauges' | 'healthy' | 'models' | 'run' | 'slotLimit'> {
    const created = { name: MODEL, created: 1, ownedBy: 'simulated', architecture: null };
    return {
      ask: async () => ({ status: 200, body: Buffer.from('{}') }),
      endpoints: async () => ['chat'] satisfies Endpoint[],
      gauges: async () => null,
      healthy: async () => true,
      models: async () => [created],
      slotLimit: async () => null,
      run: (_endpoint, body, handlers) => this.#run(body as Buffer, handlers, worker),
    };
  }

  #run(body: Buffer, handlers: EngineHandlers, worker: Proc): { abort(): void } {
    const { messages, stream, max_tokens: most = Number.POSITIVE_INFINITY } = JSON.parse(body.toString());
    const question: string = messages[0].content;
    const said: string = messages.length > 1 ? messages[1].content : '';
    const call: EngineCall = { question, since: this.#time.now };
    this.calls.add(call);
    const words = wordsOf(question).slice(said.split(' ').length - 1);
    const failure = this.failures.shift();
    const answer = new Answer(this.#time, this.#proc, worker, handlers, () => this.calls.delete(call));
    const id = `chatcmpl-${this.#proc.name}-${++this.#answers}`;
    if (failure === 'refuses') answer.whole(5, 500, '{"error":{"message":"no"}}');
    else if (stream) answer.stream(id, words.slice(0, most), this.traits, failure === 'breaks');
    else answer.plain(id, words.slice(0, most), this.traits);
    return { abort: () => answer.abort() };
  }
}

class Answer {
  readonly #time: VirtualTime;
  readonly #proc: Proc;
  readonly #worker: Proc;
  readonly #handlers: EngineHandlers;
  readonly #ended: () => void;
  #isOver = false;
  #next: Scheduled | null = null;

  constructor(time: VirtualTime, proc: Proc, worker: Proc, handlers: EngineHandlers, ended: () => void) {
    this.#time = time;
    this.#proc = proc;
    this.#worker = worker;
    this.#handlers = handlers;
    this.#ended = ended;
  }

  abort(): void {
    this.#isOver = true;
    if (this.#next !== null) this.#next.run = null;
    this.#ended();
  }

  #over(): void {
    this.#isOver = true;
    this.#ended();
  }

  #tell(does: () => void): void {
    this.#time.after(this.#worker, 0.1, () => {
      if (!this.#isOver || this.#isLast) does();
    });
  }

  #isLast = false;

  #later(ms: number, does: () => void): void {
    this.#next = this.#time.after(this.#proc, ms, () => {
      // The connection broke with its process.
      if (!this.#worker.isAlive) return this.abort();
      does();
    });
  }

  whole(afterMs: number, status: number, body: string): void {
    this.#later(afterMs, () => {
      this.#tell(() => {
        this.#handlers.start(status, 'application/json');
        this.#handlers.data(Buffer.from(body));
        this.#handlers.end();
      });
      this.#isLast = true;
      this.#over();
    });
  }

  plain(id: string, words: readonly string[], { firstMs, wordMs }: EngineTraits): void {
    const message = { role: 'assistant', content: words.join('') };
    const usage = { prompt_tokens: 1, completion_tokens: words.length, total_tokens: words.length + 1 };
    const body = {
      id,
      object: 'chat.completion',
      created: 1,
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage,
    };
    this.whole(firstMs + words.length * wordMs, 200, JSON.stringify(body));
  }

  stream(id: string, words: readonly string[], { firstMs, wordMs }: EngineTraits, breaks: boolean): void {
    const { start, data, end, error } = this.#handlers;
    const chunk = (delta: string, finish: string) =>
      Buffer.from(
        `data: {"id":"${id}","created":1,"choices":[{"index":0,"delta":${delta},"finish_reason":${finish}}]}\n\n`,
      );
    const say = (i: number) => {
      const word = words[i];
      if (breaks && i >= words.length / 2) {
        this.#tell(() => error(new Error('the engine broke off')));
        this.#isLast = true;
        return this.#over();
      }
      if (word === undefined) {
        this.#tell(() => {
          data(chunk('{}', '"stop"'));
          data(Buffer.from('data: [DONE]\n\n'));
          end();
        });
        this.#isLast = true;
        return this.#over();
      }
      this.#tell(() => data(chunk(`{"content":"${word}"}`, 'null')));
      this.#later(wordMs, () => say(i + 1));
    };
    this.#later(firstMs, () => {
      this.#tell(() => {
        start(200, 'text/event-stream');
        data(chunk('{"role":"assistant","content":""}', 'null'));
      });
      say(0);
    });
  }
}
