/**
 * The Mooncake conversation trace: one hour of Kimi chat (Qin et al., "Mooncake: Trading More Storage for Less Computation",
 * USENIX FAST 2025; github.com/kvcache-ai/Mooncake, Apache-2.0). One JSON object a line, gzip.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { generateConversations } from './generate.ts';
import {
  limitTrace,
  seededRandom,
  type Trace,
  TraceError,
  type TraceLimits,
  type TraceRequest,
} from './trace.ts';

const FILE = 'mooncake/conversation_trace.jsonl.gz';
/** Time stamps sit on ticks this far apart; a tick's requests are spread over it. */
const TICK_MS = 3000;

/** Directories that may hold traces, the first that exists wins. */
function directories(env: Record<string, string | undefined>): string[] {
  const root = resolve(import.meta.dirname, '../..');
  const own = env['PENSTOCK_TRACES'];
  return own ? [own] : [resolve(root, 'traces'), resolve(root, '../shared/traces')];
}

/** The conversation trace, or where its file is missing a generated stand-in with the same statistics. */
export function conversationTrace(limits: TraceLimits = {}, seed = 1, env = process.env): Trace {
  const file = directories(env)
    .map(directory => resolve(directory, FILE))
    .find(existsSync);
  if (file === undefined && env['PENSTOCK_TRACES'])
    throw new TraceError(`PENSTOCK_TRACES has no ${FILE}; unset it to use generated requests`);
  if (file === undefined)
    return { source: 'generated', requests: limitTrace(generateConversations(seed), limits) };
  const bytes = readFileSync(file);
  let text: string;
  try {
    text = gunzipSync(bytes).toString('utf8');
  } catch {
    throw new TraceError(`${file}: not a gzip file; fetch it again`);
  }
  return { source: 'mooncake', requests: limitTrace(spread(parseMooncake(text, file), seed), limits) };
}

/** @throws TraceError naming the line. */
export function parseMooncake(text: string, file = 'trace'): TraceRequest[] {
  const requests: TraceRequest[] = [];
  let last = 0;
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const request = parseLine(line);
    if (request === null) throw new TraceError(`${file}:${i + 1}: not a request of the Mooncake format`);
    if (request.atMs < last)
      throw new TraceError(`${file}:${i + 1}: time goes backwards; sort it by timestamp`);
    last = request.atMs;
    requests.push(request);
  }
  if (requests.length === 0) throw new TraceError(`${file}: no requests in it`);
  return requests;
}

function parseLine(line: string): TraceRequest | null {
  let raw: { timestamp?: unknown; input_length?: unknown; output_length?: unknown; hash_ids?: unknown };
  try {
    raw = JSON.parse(line);
  } catch {
    return null;
  }
  const { timestamp, input_length: input, output_length: output, hash_ids: blocks } = raw ?? {};
  const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0;
  if (!isCount(timestamp) || !isCount(input) || !isCount(output)) return null;
  if (!Array.isArray(blocks) || !blocks.every(isCount)) return null;
  return { atMs: timestamp, inputTokens: input, outputTokens: output, blocks };
}

/** Spreads what came on one tick at random over the tick, in order. */
function spread(requests: readonly TraceRequest[], seed: number): TraceRequest[] {
  const random = seededRandom(seed);
  return requests
    .map(request => ({ ...request, atMs: request.atMs + random() * TICK_MS }))
    .sort((a, b) => a.atMs - b.atMs);
}
