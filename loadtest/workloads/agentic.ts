/**
 * Conversations of coding agents (callanjfox/kv-cache-tester, Apache-2.0): dozens of turns each, prompts that grow to the
 * model's context, nearly all of it seen before. Conversations start one after another; within one, turns keep their
 * recorded times.
 */
import { generateAgents } from './generate.ts';
import {
  BLOCK_TOKENS,
  limitTrace,
  seededRandom,
  type Trace,
  TraceError,
  type TraceLimits,
  type TraceRequest,
} from './trace.ts';
import { readTraceFile, readTraceLines } from './trace-file.ts';

const FILE = 'agentic-coding/claude_code_conversations.rle.jsonl.gz';
/** Mean time between the starts of two conversations, ms. */
const START_EVERY_MS = 20_000;
/** The recorded models had longer contexts than the simulated engines: conversations stop here, tokens. */
const MAX_CONTEXT_TOKENS = 65_536;

interface Turn {
  readonly t: number;
  readonly in: number;
  readonly out: number;
  readonly type: string;
  readonly hash_runs?: readonly (readonly [first: number, count: number])[];
}

/** The agentic trace or, if its file is missing, generated conversations of the same kind. */
export function agenticTrace(limits: TraceLimits = {}, seed = 1, env = process.env): Trace {
  const file = readTraceFile(FILE, env);
  if (file === null) return { source: 'generated', requests: limitTrace(generateAgents(seed), limits) };
  return { source: 'agentic', requests: limitTrace(parseAgentic(file.text, file.path, seed), limits) };
}

/** @throws TraceError naming the line. */
function parseAgentic(text: string, file: string, seed: number): TraceRequest[] {
  const random = seededRandom(seed);
  let conversation = 0;
  let startMs = 0;
  const conversations = readTraceLines(text, file, (line, place) => {
    const turns = turnsOf(line);
    if (turns === null) throw new TraceError(`${place}: not a conversation of the agentic format`);
    startMs += -Math.log(1 - random()) * START_EVERY_MS;
    const id = conversation++;
    return untilFull(turns).map(turn => requestOf(turn, startMs, id));
  });
  return conversations.flat().sort((a, b) => a.atMs - b.atMs);
}

function untilFull(turns: readonly Turn[]): readonly Turn[] {
  const tooLong = turns.findIndex(turn => turn.in > MAX_CONTEXT_TOKENS);
  return tooLong < 0 ? turns : turns.slice(0, tooLong);
}

function turnsOf(line: string): Turn[] | null {
  try {
    const { requests, block_size: size } = JSON.parse(line) as { requests?: unknown; block_size?: unknown };
    if (!Array.isArray(requests) || size !== 64) return null;
    const turns = (requests as Turn[]).filter(turn => turn.type !== 'subagent');
    return turns.every(isTurn) ? turns : null;
  } catch {
    return null;
  }
}

function isTurn({ t, in: input, out, hash_runs: runs }: Turn): boolean {
  const isCount = (value: unknown) => Number.isFinite(value) && Number(value) >= 0;
  return [t, input, out].every(isCount) && (runs ?? []).every(run => run.length === 2 && run.every(isCount));
}

/** Blocks of the trace have 64 tokens and ids that are local to a conversation: every eighth one names a block of 512. */
function requestOf(turn: Turn, startMs: number, conversation: number): TraceRequest {
  const each = BLOCK_TOKENS / 64;
  const blocks: number[] = [];
  let seen = 0;
  for (const [first, count] of turn.hash_runs ?? [])
    for (let k = 0; k < count; k++)
      if (++seen % each === 0) blocks.push(conversation * 1_000_000 + first + k);
  return { atMs: startMs + turn.t * 1000, inputTokens: turn.in, outputTokens: turn.out, blocks };
}
