/** Embeddings: unit vectors that depend on the text alone. */
import type { ServerResponse } from 'node:http';
import { TextHash } from '../batching/hash.ts';
import { BYTES_PER_TOKEN } from '../batching/prefix-cache.ts';
import type { EngineState } from '../engine/engine.ts';
import { BadRequest } from '../model/bad-request.ts';
import { sendJson } from './http-io.ts';

const DEFAULT_DIMENSIONS = 64;
const MAX_DIMENSIONS = 4096;
const MAX_INPUTS = 2048;

export interface EmbeddingJob {
  readonly model: string;
  readonly texts: readonly string[];
  readonly promptTokens: number;
  readonly dimensions: number;
  readonly base64: boolean;
}

/** @throws BadRequest */
export function readEmbeddingJob(model: string, body: Record<string, unknown>): EmbeddingJob {
  const { input, dimensions = DEFAULT_DIMENSIONS, encoding_format: format = 'float' } = body;
  const several = Array.isArray(input) && typeof input[0] !== 'number';
  const items: unknown[] = several ? input : [input];
  if (items.length === 0 || items.length > MAX_INPUTS)
    throw new BadRequest(`input must have 1 to ${MAX_INPUTS} items`, 'input');
  if (!Number.isInteger(dimensions) || Number(dimensions) < 1 || Number(dimensions) > MAX_DIMENSIONS)
    throw new BadRequest(`dimensions must be an integer from 1 to ${MAX_DIMENSIONS}`, 'dimensions');
  if (format !== 'float' && format !== 'base64')
    throw new BadRequest('encoding_format must be float or base64', 'encoding_format');
  let promptTokens = 0;
  const texts = items.map(item => {
    const ids = Array.isArray(item) && item.length > 0 && item.every(Number.isInteger);
    if (!ids && (typeof item !== 'string' || item === ''))
      throw new BadRequest('input must be text or token ids, or an array of such', 'input');
    promptTokens += ids ? item.length : Math.ceil(Buffer.byteLength(item as string) / BYTES_PER_TOKEN);
    return ids ? item.join(' ') : (item as string);
  });
  return { model, texts, promptTokens, dimensions: Number(dimensions), base64: format === 'base64' };
}

/** Computes the prompt in the batcher, like an engine does, then answers. */
export function runEmbedding(
  engine: EngineState,
  factor: number,
  res: ServerResponse,
  job: EmbeddingJob,
): void {
  const batcher = engine.batcher(factor);
  const promptHash = new TextHash().update(job.texts.join('\u0000')).hex();
  const record = engine.ledger.start({ promptHash, model: job.model, from: 0 });
  const sequence = batcher.submit({
    promptTokens: job.promptTokens,
    outputTokens: 0,
    deliver: () => {
      engine.ledger.promptTokens += job.promptTokens;
      engine.ledger.end(record, 'finished');
      sendJson(res, 200, answer(engine, job));
    },
  });
  res.on('close', () => {
    batcher.abort(sequence);
    engine.ledger.end(record, 'aborted');
  });
}

function answer(engine: EngineState, job: EmbeddingJob): object {
  return {
    id: `embd-${engine.nextId()}`,
    object: 'list',
    created: Math.floor(Date.now() / 1000),
    model: job.model,
    data: job.texts.map((text, index) => {
      const vector = unitVector(text, job.dimensions);
      const embedding = job.base64 ? Buffer.from(vector.buffer).toString('base64') : Array.from(vector);
      return { index, object: 'embedding', embedding };
    }),
    usage: { prompt_tokens: job.promptTokens, total_tokens: job.promptTokens, completion_tokens: 0 },
  };
}

/** Float32, so that both encodings carry the same numbers. */
function unitVector(text: string, dimensions: number): Float32Array<ArrayBuffer> {
  const hash = new TextHash().update(text);
  const vector = new Float32Array(dimensions);
  let square = 0;
  for (let i = 0; i < dimensions; i++) {
    const value = (hash.updateInt(i).key() % 20_001) / 10_000 - 1;
    vector[i] = value;
    square += value * value;
  }
  const length = Math.sqrt(square) || 1;
  return vector.map(value => value / length);
}
