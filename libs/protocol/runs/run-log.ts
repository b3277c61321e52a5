/**
 * The log of a stored run: the engine's output, tick by tick, in as few bytes as every event can be derived from. Events that
 * clients see are always derived from it, so they have the same numbers for every reader, at any time, on any node.
 *
 * - `deltas`: each entry is a JSON array of operations ({@link LogOp}). For responses, whose events are not the engine's.
 * - `events`: each entry is whole SSE events as the engine sent them. For streams that are passed on as they are.
 */
import type { ChatChunk, ChatDelta, CompletionUsage } from '../openai/chat-chunk.ts';
import { assertToken } from '../wire/token.ts';

/**
 * `t` text with the chunks it came in (about its tokens), `r` reasoning, `c` part of a tool call (index, id, name,
 * arguments), `f` the finish reason, `u` usage. One event each for the first three, none for the last two.
 */
export type LogOp =
  | readonly ['t', string, number]
  | readonly ['r', string]
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

/** The operations of a chunk, one for each event that will be derived from it. @throws where its parts have other types than the API's. */
export function opsOf(chunk: ChatChunk): LogOp[] {
  const ops: LogOp[] = [];
  const choice = chunk.choices?.[0];
  const delta: ChatDelta | undefined = choice?.delta ?? choice?.message;
  const reasoning = delta?.reasoning_content ?? delta?.reasoning;
  if (reasoning) ops.push(['r', reasoning]);
  if (delta?.content) ops.push(['t', delta.content, 1]);
  for (const [i, call] of (delta?.tool_calls ?? []).entries())
    ops.push([
      'c',
      call.index ?? i,
      call.id ?? null,
      call.function?.name ?? null,
      call.function?.arguments ?? '',
    ]);
  if (choice?.finish_reason) ops.push(['f', choice.finish_reason]);
  if (chunk.usage) ops.push(['u', chunk.usage]);
  return ops;
}

/** Merges an operation into the one before where both are of one kind, so that all text of one tick is one event. */
export function addOp(ops: LogOp[], op: LogOp): void {
  const last = ops.at(-1);
  if (op[0] === 't' && last?.[0] === 't') ops[ops.length - 1] = ['t', last[1] + op[1], last[2] + op[2]];
  else if (op[0] === 'r' && last?.[0] === 'r') ops[ops.length - 1] = ['r', last[1] + op[1]];
  else if (op[0] === 'c' && last?.[0] === 'c' && last[1] === op[1] && op[2] === null)
    ops[ops.length - 1] = ['c', last[1], last[2], last[3], last[4] + op[4]];
  else ops.push(op);
}

export function encodeOps(ops: readonly LogOp[]): Buffer {
  return Buffer.from(JSON.stringify(ops));
}

/** @throws where the bytes are no entry of a `deltas` log. */
export function decodeOps(entry: Buffer): LogOp[] {
  return JSON.parse(entry.toString('utf8')) as LogOp[];
}

/** The operation as the engine's chunk that it stands for. */
export function chunkOf(op: LogOp): ChatChunk {
  switch (op[0]) {
    case 't':
      return { choices: [{ delta: { content: op[1] } }] };
    case 'r':
      return { choices: [{ delta: { reasoning_content: op[1] } }] };
    case 'c': {
      const [, index, id, name, args] = op;
      const called = { ...(name === null ? {} : { name }), arguments: args };
      return {
        choices: [{ delta: { tool_calls: [{ index, ...(id === null ? {} : { id }), function: called }] } }],
      };
    }
    case 'f':
      return { choices: [{ finish_reason: op[1] }] };
    case 'u':
      return { usage: op[1] };
  }
}
