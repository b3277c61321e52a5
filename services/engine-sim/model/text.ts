/**
 * What the simulated model says: token i of an answer is a function of the prompt's hash and i alone, so a test can know
 * every token in advance and any engine can continue what another one began.
 */
import { TextHash } from '../batching/hash.ts';

/** 128 short words; each with a leading space is one token, and needs no escaping in JSON. */
const WORDS: readonly string[] = (
  'river stone cloud ember field glass harbor island jacket kettle ladder meadow needle orchard paper quarry ' +
  'ribbon saddle timber umber valley willow yarrow zephyr anchor barley candle dragon engine falcon garden hammer ' +
  'iron jungle kernel lantern marble napkin olive pepper quiver rocket silver tunnel urchin velvet walnut yellow ' +
  'apple bridge copper desert eagle forest ginger hollow indigo jasper kitten lemon mirror nickel otter pillow ' +
  'quartz raven sugar tiger ultra violin winter yonder amber button castle dinner elbow finger goblet hazel ' +
  'insect jelly karma linen monkey nutmeg ocean pencil quilt rabbit salmon table uncle vessel window yeast ' +
  'acorn bottle carpet doctor earth flower guitar honey igloo juice kayak lizard magnet noodle onion planet ' +
  'queen radio spider teapot unit voyage wagon yacht alpine bishop cotton dune easel fossil grape hinge'
)
  .split(' ')
  .map(word => ` ${word}`);
const WORD_SET: ReadonlySet<string> = new Set(WORDS);

const MIN_DEFAULT_TOKENS = 16;
const MAX_DEFAULT_TOKENS = 64;

/** Text of tokens `from` (inclusive) to `to` (exclusive), each as one string. */
export function tokensBetween(hash: string, from: number, to: number, choice = 0): string[] {
  const seed = Number.parseInt(hash.slice(-8), 16) ^ Math.imul(choice, 0x85eb_ca6b);
  const tokens: string[] = [];
  for (let i = from; i < to; i++) {
    let x = Math.imul(seed ^ Math.imul(i + 1, 0x9e37_79b1), 0x2c1b_3c6d);
    x = Math.imul(x ^ (x >>> 15), 0x297a_2d39);
    tokens.push(WORDS[((x ^ (x >>> 14)) >>> 7) % WORDS.length] ?? '');
  }
  return tokens;
}

/** The first `n` tokens any engine answers to a prompt of this hash. `choice` is the index when several were asked for. */
export function expectedTokens(hash: string, n: number, choice = 0): string[] {
  return tokensBetween(hash, 0, n, choice);
}

/** Length of an answer without a limit: 16 to 64 tokens. */
export function defaultOutputTokens(hash: string): number {
  return (
    MIN_DEFAULT_TOKENS + (Number.parseInt(hash.slice(-4), 16) % (MAX_DEFAULT_TOKENS - MIN_DEFAULT_TOKENS + 1))
  );
}

/** Indexes of the words that a text consists of; null where it has something else. */
export function wordsIn(text: string): number[] | null {
  const indexes = text.split(/(?= )/).map(word => WORDS.indexOf(word));
  return indexes.includes(-1) ? null : indexes;
}

export function wordAt(index: number): string | null {
  return WORDS[index] ?? null;
}

export interface PromptIdentity {
  readonly hash: string;
  /** Tokens of the answer the request already contains: generation starts at this index. */
  readonly answered: number;
  /** A partial answer was given that is not how this prompt's answer begins. It was taken as part of the prompt. */
  readonly mismatch: boolean;
}

/** What a request asks, apart from how much of the answer it already holds. */
export function promptHash(body: object): string {
  return identifyPrompt(body).hash;
}

/**
 * Chat: all messages; with `continue_final_message` (vLLM, SGLang) a last assistant message that begins the answer is
 * no part of the prompt. Completions: a prompt that ends with the beginning of its own answer is a continuation too.
 */
export function identifyPrompt(body: object): PromptIdentity {
  const { messages, prompt, continue_final_message: continues } = body as Record<string, unknown>;
  if (typeof prompt === 'string') return identifyText(prompt);
  if (!Array.isArray(messages)) return fresh(JSON.stringify(prompt ?? null));
  const last = messages.at(-1) as { role?: unknown; content?: unknown } | undefined;
  if (continues !== true || last?.role !== 'assistant' || typeof last.content !== 'string')
    return fresh(JSON.stringify(messages));
  const before = fresh(JSON.stringify(messages.slice(0, -1)));
  const answered = countTokens(before.hash, last.content);
  if (answered !== null) return { ...before, answered };
  return { ...fresh(JSON.stringify(messages)), mismatch: true };
}

function fresh(text: string): PromptIdentity {
  return { hash: new TextHash().update(text).hex(), answered: 0, mismatch: false };
}

/** Tries every place where a tail of our own words could begin, longest tail first. */
function identifyText(prompt: string): PromptIdentity {
  const starts: number[] = [];
  for (let end = prompt.length; end > 0; ) {
    const start = prompt.lastIndexOf(' ', end - 1);
    if (start <= 0 || !WORD_SET.has(prompt.slice(start, end))) break;
    starts.push(start);
    end = start;
  }
  const hash = new TextHash();
  let hashed = 0;
  for (const start of starts.reverse()) {
    const before = hash.update(prompt, hashed, start).hex();
    hashed = start;
    const answered = countTokens(before, prompt.slice(start));
    if (answered !== null) return { hash: before, answered, mismatch: false };
  }
  return { hash: hash.update(prompt, hashed).hex(), answered: 0, mismatch: false };
}

/** How many tokens of the answer to `hash` the text is; null when it is not a whole number of them. */
function countTokens(hash: string, text: string): number | null {
  let at = 0;
  for (let count = 0; ; count++) {
    if (at === text.length) return count;
    const token = tokensBetween(hash, count, count + 1)[0] ?? '';
    if (!text.startsWith(token, at)) return null;
    at += token.length;
  }
}
