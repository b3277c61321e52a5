/** Answers that are computed in one piece, without generating: reranking, scores, classes, tokens, moderation, images. */
import type { ServerResponse } from 'node:http';
import { TextHash } from '../batching/hash.ts';
import { BYTES_PER_TOKEN } from '../batching/prefix-cache.ts';
import type { EngineState } from '../engine/engine.ts';
import { BadRequest } from '../model/bad-request.ts';
import { wordAt, wordsIn } from '../model/text.ts';
import { sendBytes, sendJson } from './http-io.ts';

type Json = Record<string, unknown>;

/** What is computed for a request. */
export interface TaskJob {
  readonly model: string;
  readonly promptTokens: number;
  readonly answer: () => object | RawAnswer;
}

/** What an answer is that is not JSON. */
export interface RawAnswer {
  readonly type: string;
  readonly bytes: Buffer;
}

/** A file of a form. */
interface FormFile {
  readonly name: string;
  readonly bytes: Buffer;
}

interface Task {
  /** @throws BadRequest */
  readonly read: (body: Json) => {
    readonly texts: readonly string[];
    readonly answer: (head: Json) => object | RawAnswer;
  };
}

/** A PNG of one pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
const CATEGORIES = ['harassment', 'hate', 'self-harm', 'sexual', 'violence'];
const UINT32 = 2 ** 32;
/** Id of the first word: above all others. */
const FIRST_WORD = BYTES_PER_TOKEN * UINT32;

export const TASKS: Readonly<Record<string, Task>> = {
  rerank: {
    read: body => {
      const query = textIn(body, 'query');
      const documents = listIn(body, 'documents').map(document => textOf(document, 'documents'));
      const most = typeof body['top_n'] === 'number' ? body['top_n'] : documents.length;
      const results = documents
        .map((text, index) => ({ index, document: { text }, relevance_score: chance(query, text) }))
        .sort((a, b) => b.relevance_score - a.relevance_score)
        .slice(0, most);
      return { texts: [query, ...documents], answer: head => ({ ...head, results }) };
    },
  },
  score: {
    read: body => {
      const [left, right] = [textsIn(body, 'text_1'), textsIn(body, 'text_2')];
      const data = right.map((text, index) => ({
        ...{ index, object: 'score', score: chance(left[left.length === 1 ? 0 : index] ?? '', text) },
      }));
      return { texts: [...left, ...right], answer: head => ({ ...head, object: 'list', data }) };
    },
  },
  pooling: {
    read: body => {
      const texts = textsIn(body, 'input');
      const data = texts.map((text, index) => ({ index, object: 'pooling', data: [chance('pool', text)] }));
      return { texts, answer: head => ({ ...head, object: 'list', data }) };
    },
  },
  classify: {
    read: body => {
      const texts = textsIn(body, 'input');
      const data = texts.map((text, index) => {
        const share = chance('class', text);
        return {
          index,
          label: share > 0.5 ? 'LABEL_1' : 'LABEL_0',
          probs: [1 - share, share],
          num_classes: 2,
        };
      });
      return { texts, answer: head => ({ ...head, object: 'list', data }) };
    },
  },
  tokenize: {
    read: body => {
      const text = Array.isArray(body['messages'])
        ? JSON.stringify(body['messages'])
        : textIn(body, 'prompt');
      const tokens = toIds(text);
      const answer = () => ({ count: tokens.length, max_model_len: 131_072, tokens, token_strs: null });
      return { texts: [], answer };
    },
  },
  detokenize: {
    read: body => {
      const prompt = toText(listIn(body, 'tokens'));
      return { texts: [], answer: () => ({ prompt }) };
    },
  },
  moderations: {
    read: body => {
      const texts = textsIn(body, 'input');
      const each = <Value>(value: Value) => Object.fromEntries(CATEGORIES.map(name => [name, value]));
      const result = { flagged: false, categories: each(false), category_scores: each(0.0001) };
      return { texts, answer: head => ({ ...head, results: texts.map(() => result) }) };
    },
  },
  images: {
    read: body => {
      const count = typeof body['n'] === 'number' ? body['n'] : 1;
      const data = Array.from({ length: count }, () => ({ b64_json: PIXEL }));
      return { texts: [textIn(body, 'prompt')], answer: ({ created }) => ({ created, data }) };
    },
  },
  speech: {
    read: body => {
      const input = textIn(body, 'input');
      return { texts: [input], answer: () => ({ type: 'audio/mpeg', bytes: soundOf(input) }) };
    },
  },
  transcriptions: { read: transcribe },
  translations: { read: transcribe },
};

/** Says what it was given, so that a test can see that nothing of it was lost. */
function transcribe(body: Json) {
  const { bytes, name } = (body['file'] ?? {}) as Partial<FormFile>;
  if (bytes === undefined) throw new BadRequest('file must be a file', 'file');
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  const said = `${bytes.length} bytes of ${name}, sum ${sum}`;
  const text = body['language'] === undefined ? said : `${said}, ${String(body['language'])}`;
  const isPlain = body['response_format'] === 'text';
  const answer = () => (isPlain ? { type: 'text/plain', bytes: Buffer.from(text) } : { text });
  return { texts: [], answer };
}

/** Bytes of every value that depend on the text alone. */
function soundOf(text: string): Buffer {
  const seed = new TextHash().update(text).key();
  return Buffer.from(Uint8Array.from({ length: 2048 }, (_, i) => (seed + i * 7919) % 256));
}

/** @throws BadRequest */
export function readTask(engine: EngineState, name: string, model: string, body: Json): TaskJob {
  const task = TASKS[name];
  if (task === undefined) throw new BadRequest('no such task', 'model');
  const { texts, answer } = task.read(body);
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const promptTokens = Math.ceil(bytes / BYTES_PER_TOKEN);
  const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens };
  const created = Math.floor(Date.now() / 1000);
  return {
    model,
    promptTokens,
    answer: () => answer({ id: `task-${engine.nextId()}`, model, created, usage }),
  };
}

/** Computes the prompt in the batcher, like an engine does, then answers. */
export function runTask(engine: EngineState, factor: number, res: ServerResponse, job: TaskJob): void {
  const batcher = engine.batcher(factor);
  const record = engine.ledger.start({ promptHash: '', model: job.model, from: 0 });
  const sequence = batcher.submit({
    ...{ promptTokens: Math.max(1, job.promptTokens), outputTokens: 0 },
    deliver: () => {
      engine.ledger.promptTokens += job.promptTokens;
      engine.ledger.end(record, 'finished');
      const answer = job.answer();
      if ('bytes' in answer) sendBytes(res, answer.type, answer.bytes);
      else sendJson(res, 200, answer);
    },
  });
  res.on('close', () => {
    batcher.abort(sequence);
    engine.ledger.end(record, 'aborted');
  });
}

function textIn(body: Json, field: string): string {
  return textOf(body[field], field);
}

/** A text, or a list of them. */
function textsIn(body: Json, field: string): string[] {
  const value = body[field];
  return (Array.isArray(value) ? value : [value]).map(item => textOf(item, field));
}

function listIn(body: Json, field: string): unknown[] {
  const value = body[field];
  if (!Array.isArray(value) || value.length === 0) throw new BadRequest(`${field} must be a list`, field);
  return value;
}

function textOf(value: unknown, field: string): string {
  const text = typeof value === 'object' ? (value as Json | null)?.['text'] : value;
  if (typeof text !== 'string' || text === '') throw new BadRequest(`${field} must be text`, field);
  return text;
}

/** Depends on both texts alone, 0–1. */
function chance(a: string, b: string): number {
  return (new TextHash().update(a).update('\u0000').update(b).key() % 10_001) / 10_000;
}

/** What it says itself has a token a word; else four bytes are one, and a shorter last one has its length above them. */
function toIds(text: string): number[] {
  const words = wordsIn(text);
  if (words !== null) return words.map(index => FIRST_WORD + index);
  const bytes = Buffer.from(text);
  const ids: number[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_PER_TOKEN) {
    const piece = bytes.subarray(at, at + BYTES_PER_TOKEN);
    const short = piece.length === BYTES_PER_TOKEN ? 0 : piece.length * UINT32;
    ids.push(short + piece.readUIntBE(0, piece.length));
  }
  return ids;
}

function toText(ids: readonly unknown[]): string {
  const pieces = ids.map(id => {
    if (!Number.isSafeInteger(id) || Number(id) < 0)
      throw new BadRequest('tokens must be token ids', 'tokens');
    const word = wordAt(Number(id) - FIRST_WORD);
    if (word !== null) return Buffer.from(word);
    const length = Math.min(Math.floor(Number(id) / UINT32), 3) || BYTES_PER_TOKEN;
    const piece = Buffer.alloc(length);
    piece.writeUIntBE(Number(id) % 256 ** length, 0, length);
    return piece;
  });
  return Buffer.concat(pieces).toString('utf8');
}
