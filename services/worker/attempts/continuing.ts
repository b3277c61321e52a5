/**
 * Whether the engine goes on with an answer that was begun elsewhere (`continue_final_message`: vLLM, SGLang), or ignores that and
 * says everything again, as many do. Found out by three tiny requests, once for each model: how an answer begins, how it goes on, and
 * what follows its beginning.
 */
import { type ModelInfo, readTokenCount, understandAnswer, type WorkMeta } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { Engine } from '../engine/engine.ts';

/** The client of an interrupted stream waits meanwhile. */
const LIMIT_MS = 2500;
/** A tokenizer answers at once. */
const COUNT_LIMIT_MS = 1000;
const BEGINNING_TOKENS = 2;
/** Engines may list many adapters; of others it is found out when a stream needs it. */
const MOST_LEARNED = 8;
const QUESTION = { role: 'user', content: 'Count from one to ten in words, without any other word.' };

/** What tells an engine to go on with the last message. */
export const GO_ON = { add_generation_prompt: false, continue_final_message: true } as const;

export interface ContinuingOptions {
  readonly engine: Pick<Engine, 'ask'>;
  /** What the operator says of a model, by its slug; null where it is to be found out. */
  readonly configured: (slug: string) => boolean | null;
  readonly log: Logger;
}

export class Continuing {
  readonly #o: ContinuingOptions;
  readonly #known = new Map<string, Promise<boolean | null>>();
  /** Slugs of models whose tokenizer can be asked. */
  #counts: ReadonlySet<string> = new Set();

  constructor(options: ContinuingOptions) {
    this.#o = options;
  }

  /** False also where it cannot be told. Never rejects. */
  async canContinue({
    endpoint,
    slug,
    model,
  }: Pick<WorkMeta, 'endpoint' | 'slug' | 'model'>): Promise<boolean> {
    // A completion goes on after its prompt whatever that is.
    if (endpoint === 'completions') return true;
    const configured = this.#o.configured(slug);
    if (configured !== null) return configured;
    const known = this.#known.get(slug) ?? this.#findOut(slug, model);
    return (await known) ?? false;
  }

  /** Tokens of a partial answer, as the engine's own tokenizer has it; null where it has none that can be asked. Never rejects. */
  async countTokens({ slug, model }: Pick<WorkMeta, 'model' | 'slug'>, text: string): Promise<number | null> {
    if (!this.#counts.has(slug)) return null;
    // `prompt` is vLLM's and SGLang's word for it, `content` llama.cpp's, `inputs` TGI's.
    const words = { prompt: text, content: text, inputs: text };
    const asked = { model, ...words, add_special_tokens: false, add_special: false };
    try {
      const { status, body } = await this.#o.engine.ask('tokenize', asked, COUNT_LIMIT_MS);
      return status === 200 ? readTokenCount(body) : null;
    } catch {
      return null;
    }
  }

  /** Finds out beforehand, one model after the other: when a stream needs it, the engine may have much to do. Never rejects. */
  async learn(models: readonly Pick<ModelInfo, 'name' | 'slug' | 'endpoints'>[]): Promise<void> {
    this.#counts = new Set(
      models.filter(({ endpoints }) => endpoints.includes('tokenize')).map(({ slug }) => slug),
    );
    for (const { name: model, slug, endpoints } of models.slice(0, MOST_LEARNED))
      if (endpoints.includes('chat')) await this.canContinue({ endpoint: 'chat', slug, model });
  }

  /** The engine may have been replaced. */
  forget(): void {
    this.#known.clear();
  }

  #findOut(slug: string, model: string): Promise<boolean | null> {
    const { engine, log } = this.#o;
    const found = probe(engine, model).catch(() => null);
    this.#known.set(slug, found);
    void found.then(goesOn => {
      log.info({ model, goesOn }, 'whether the engine continues answers');
      // Asked again the next time.
      if (goesOn === null && this.#known.get(slug) === found) this.#known.delete(slug);
    });
    return found;
  }
}

/** @returns null where the answers do not tell. @throws where there are none. */
async function probe(engine: Pick<Engine, 'ask'>, model: string): Promise<boolean | null> {
  const say = (max_tokens: number, more: readonly object[] = [], flags: object = {}) =>
    answerOf(engine, { model, messages: [QUESTION, ...more], max_tokens, temperature: 0, ...flags });
  const beginning = await say(BEGINNING_TOKENS);
  const longer = await say(2 * BEGINNING_TOKENS);
  if (beginning === null || longer === null || !longer.startsWith(beginning)) return null;
  const next = await say(BEGINNING_TOKENS, [{ role: 'assistant', content: beginning }], GO_ON);
  // Refused: some take no fields that they do not know.
  return next === null
    ? false
    : compare(beginning.trim(), longer.slice(beginning.length).trim(), next.trim());
}

function compare(beginning: string, rest: string, next: string): boolean | null {
  if (beginning === '' || next === '') return null;
  const repeats = next.startsWith(beginning) || beginning.startsWith(next);
  const goesOn = rest !== '' && (next.startsWith(rest) || rest.startsWith(next));
  return repeats === goesOn ? null : goesOn;
}

/** Null where the engine refuses. @throws where it fails. */
async function answerOf(engine: Pick<Engine, 'ask'>, body: object): Promise<string | null> {
  const answer = await engine.ask('chat', body, LIMIT_MS);
  if (answer.status >= 400 && answer.status < 429) return null;
  if (answer.status !== 200 || understandAnswer(answer.body, 'chat').kind !== 'answer')
    throw new Error(`the engine answered ${answer.status}`);
  const { choices } = JSON.parse(answer.body.toString('utf8'));
  const content: unknown = choices[0]?.message?.content;
  return typeof content === 'string' ? content : '';
}
