/**
 * The log of a stored run: the engine's output, tick by tick, in as few bytes as every event can be derived from. Events that
 * clients see are always derived from it, so they have the same numbers for every reader, at any time, on any node.
 *
 * - `deltas`: each entry is a JSON array of operations ({@link LogOp}). For responses, whose events are not the engine's.
 * - `events`: each entry is whole SSE events as the engine sent them. For streams that are passed on as they are.
 */
import type { CompletionUsage } from '../engine/chat-chunk.ts';
import { assertToken } from '../wire/token.ts';

/**
 * `t` text with the chunks it came in (about its tokens) and the logprobs of its tokens where the engine gave any, `r` reasoning,
 * `x` refusal, `c` part of a tool call (number, id, name, arguments; id and name with the first part only), `f` the finish reason,
 * `u` usage. One event each for the first four, none for the last two.
 */
export type LogOp =
  | readonly ['t', string, number, (readonly object[])?]
  | readonly ['r', string]
  | readonly ['x', string]
  | readonly ['c', number, string | null, string | null, string]
  | readonly ['f', string]
  | readonly ['u', CompletionUsage];

export function runLogKey(id: string): string {
  return `penstock:runlog:${assertToken(id)}`;
}

/** Redis channel of a run's log: `<entries so far> <entry>`, or `0 ` when the run became final. Only a hint: the log itself is authoritative. */
export function runLogChannel(id: string): string {
  return `penstock:runtick:${assertToken(id)}`;
}

/** Merges an operation into the one before where both are of one kind, so that all text of one tick is one event. */
export function addOp(ops: LogOp[], op: LogOp): void {
  const last = ops.at(-1);
  if (op[0] === 't' && last?.[0] === 't') ops[ops.length - 1] = joined(last, op);
  else if (op[0] === 'r' && last?.[0] === 'r') ops[ops.length - 1] = ['r', last[1] + op[1]];
  else if (op[0] === 'x' && last?.[0] === 'x') ops[ops.length - 1] = ['x', last[1] + op[1]];
  else if (op[0] === 'c' && last?.[0] === 'c' && last[1] === op[1] && op[2] === null)
    ops[ops.length - 1] = ['c', last[1], last[2], last[3], last[4] + op[4]];
  else ops.push(op);
}

type TextOp = Extract<LogOp, readonly ['t', ...unknown[]]>;

function joined(a: TextOp, b: TextOp): TextOp {
  const [, text, chunks, logprobs] = a;
  if (logprobs === undefined && b[3] === undefined) return ['t', text + b[1], chunks + b[2]];
  return ['t', text + b[1], chunks + b[2], [...(logprobs ?? []), ...(b[3] ?? [])]];
}

export function encodeOps(ops: readonly LogOp[]): Buffer {
  return Buffer.from(JSON.stringify(ops));
}

/** @throws where the bytes are no entry of a `deltas` log. */
export function decodeOps(entry: Buffer): LogOp[] {
  return JSON.parse(entry.toString('utf8')) as LogOp[];
}
