/**
 * An engine's chunks, or its whole answer, as operations of the run log. Engines cut tool calls in every way: two under one index,
 * or without any, in turns, with ids and names that come late, are empty or never come, with arguments that are an object. Here each
 * call gets a number, and an id and a name before anything else of it is reported.
 */
import type { ChatChunk, ChatDelta, ToolCallDelta } from '../engine/chat-chunk.ts';
import { readContent } from '../engine/content-parts.ts';
import { readUsage } from '../engine/token-count.ts';
import { randomCallId } from './call-id.ts';
import type { LogOp } from './run-log.ts';

interface Call {
  readonly number: number;
  /** As the engine counts; null where it does not. */
  readonly index: number | null;
  /** As the engine gave it; empty until then, and where it never does. */
  id: string;
  name: string;
  arguments: string;
  isTold: boolean;
}

/** Of one choice. */
export class ChunkReader {
  readonly #calls: Call[] = [];

  /** The first choice of the chunk, and its usage. @throws where its parts have other types than the API's. */
  read(chunk: ChatChunk): LogOp[] {
    const ops: LogOp[] = [];
    const choice = chunk.choices?.[0];
    const delta: ChatDelta | undefined = choice?.delta ?? choice?.message;
    const reasoning = delta?.reasoning_content ?? delta?.reasoning;
    if (reasoning) ops.push(['r', reasoning]);
    const logprobs = choice?.logprobs?.content;
    let unshown = logprobs?.length ? logprobs : null;
    for (const [kind, said] of readContent(delta?.content)) {
      if (kind !== 't') ops.push([kind, said]);
      else if (unshown === null) ops.push([kind, said, 1]);
      else ops.push([kind, said, 1, unshown]);
      if (kind === 't') unshown = null;
    }
    if (delta?.refusal) ops.push(['x', delta.refusal]);
    const isWhole = choice?.delta === undefined;
    for (const call of callsIn(delta)) ops.push(...this.#hear(call, isWhole));
    if (choice?.finish_reason) ops.push(...this.flush(), ['f', choice.finish_reason]);
    const usage = readUsage(chunk.usage);
    if (usage !== null) ops.push(['u', usage]);
    return ops;
  }

  /** What was held back in case a name or an id still came. Call at the end of an answer without a finish reason. */
  flush(): LogOp[] {
    return this.#calls.flatMap(call => (call.isTold ? [] : this.#tell(call, call.arguments)));
  }

  /** @param isWhole the answer is no stream: each part is a call of its own. */
  #hear(part: ToolCallDelta, isWhole: boolean): LogOp[] {
    const said = textOf(part.function?.arguments);
    const id = part.id ?? '';
    const name = part.function?.name ?? '';
    const known = isWhole ? undefined : this.#find(part.index ?? null, id, name, said);
    const call = known ?? this.#begin(part.index ?? null);
    if (call.id === '') call.id = id;
    if (call.name === '') call.name = name;
    call.arguments += said;
    if (call.isTold) return said === '' ? [] : [['c', call.number, null, null, said]];
    // An id may still come with the first arguments, a name even later.
    const isReady = call.name !== '' && (call.id !== '' || call.arguments !== '' || isWhole);
    return isReady ? this.#tell(call, call.arguments) : [];
  }

  /** The call that a part goes on with; undefined where it begins another. */
  #find(index: number | null, id: string, name: string, said: string): Call | undefined {
    if (id !== '') {
      const same = this.#calls.findLast(call => call.id === id && (index === null || call.index === index));
      if (same !== undefined) return same;
    }
    const last = index === null ? this.#calls.at(-1) : this.#calls.findLast(call => call.index === index);
    if (last === undefined || (id !== '' && last.id !== '')) return undefined;
    if (name === '' || last.name === '') return last;
    // Some engines repeat the name with every part. It begins another call once the last one's arguments are complete.
    return name !== last.name || (said !== '' && isJson(last.arguments)) ? undefined : last;
  }

  #begin(index: number | null): Call {
    const call = { number: this.#calls.length, index, id: '', name: '', arguments: '', isTold: false };
    this.#calls.push(call);
    return call;
  }

  #tell(call: Call, said: string): LogOp[] {
    call.isTold = true;
    return [['c', call.number, call.id === '' ? randomCallId() : call.id, call.name, said]];
  }
}

/** @throws TypeError where the engine sent something else in their place. */
function callsIn(delta: ChatDelta | undefined): readonly ToolCallDelta[] {
  const calls: unknown = delta?.tool_calls ?? [];
  if (!Array.isArray(calls)) throw new TypeError('the engine sent tool calls that are no list');
  if (calls.length > 0) return calls;
  return delta?.function_call ? [{ function: delta.function_call }] : [];
}

function textOf(said: unknown): string {
  if (said === null || said === undefined) return '';
  return typeof said === 'string' ? said : JSON.stringify(said);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
