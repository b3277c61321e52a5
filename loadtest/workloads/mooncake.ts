/**
 * The Mooncake conversation trace: one hour of Kimi chat (Qin et al., "Mooncake: Trading More Storage for Less Computation",
 * USENIX FAST 2025; github.com/kvcache-ai/Mooncake, Apache-2.0). One JSON object a line, gzip.
 */
import { generateConversations } from './generate.ts';
import {
  limitTrace,
  seededRandom,
  type Trace,
  TraceError,
  type TraceLimits,
  type TraceRequest,
} from './trace.ts';
import { readTraceFile, readTraceLines } from './trace-file.ts';

const FILE = 'mooncake/conversation_trace.jsonl.gz';
/** Time stamps sit on ticks this far apart; a tick's requests are spread over it. */
const TICK_MS = 3000;

/** The conversation trace or, if its file is missing, a generated one with the same statistics. */
export function conversationTrace(limits: TraceLimits = {}, seed = 1, env = process.env): Trace {
  const file = readTraceFile(FILE, env);
  if (file === null)
    return { source: 'generated', requests: limitTrace(generateConversations(seed), limits) };
  const requests = spread(parseMooncake(file.text, file.path), seed);
  return { source: 'mooncake', requests: limitTrace(requests, limits) };
}

/** @throws TraceError naming the line. */
export function parseMooncake(text: string, file = 'trace'): TraceRequest[] {
  let last = 0;
  return readTraceLines(text, file, (line, place) => {
    const request = parseLine(line);
    if (request === null) throw new TraceError(`${place}: not a request of the Mooncake format`);
    if (request.atMs < last) throw new TraceError(`${place}: time goes backwards; sort it by timestamp`);
    last = request.atMs;
    return request;
  });
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

/** Spreads the requests of one tick over it at random, in their order. */
function spread(requests: readonly TraceRequest[], seed: number): TraceRequest[] {
  const random = seededRandom(seed);
  return requests
    .map(request => ({ ...request, atMs: request.atMs + random() * TICK_MS }))
    .sort((a, b) => a.atMs - b.atMs);
}
