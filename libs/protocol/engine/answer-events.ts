/**
 * A whole answer as the events of the stream that was asked for, where an engine, or a proxy before it, takes no notice of `stream`.
 * Everything that it says is in them, with what the engine adds to the API.
 */

import { parseExactText } from '../json/exact-json.ts';
import type { Endpoint } from '../wire/endpoints.ts';
import { parseEngineJson } from './engine-json.ts';
import { messageEvents } from './message-events.ts';

type Json = Record<string, unknown>;

/** @param body an answer that is whole. @param hasUsage whether the client asked for a count of the tokens. @throws where it is none. */
export function eventsOfAnswer(body: Buffer, endpoint: Endpoint, hasUsage: boolean): Buffer {
  const answer = parse(body.toString('utf8'));
  if (endpoint === 'messages') return Buffer.from(messageEvents(answer));
  return Buffer.from(chunksOf(answer, endpoint, hasUsage).join(''));
}

function parse(text: string): Json {
  try {
    return parseExactText(text) as Json;
  } catch {
    return parseEngineJson(text) as Json;
  }
}

function chunksOf({ choices, usage, ...head }: Json, endpoint: Endpoint, hasUsage: boolean): string[] {
  const object = endpoint === 'chat' ? 'chat.completion.chunk' : 'text_completion';
  const write = (parts: readonly object[], counted: unknown) =>
    `data: ${JSON.stringify({ ...head, object, choices: parts, ...(hasUsage ? { usage: counted } : {}) })}\n\n`;
  const parts = (choices as Json[]).flatMap((choice, index) =>
    endpoint === 'chat' ? partsOf({ index, ...choice }) : [{ index, ...choice }],
  );
  const told = parts.map(part => write([part], null));
  return [...told, ...(hasUsage ? [write([], usage ?? null)] : []), 'data: [DONE]\n\n'];
}

/** What a choice says, and how it ended. */
function partsOf({ message, logprobs = null, finish_reason, ...choice }: Json): object[] {
  return [
    { ...choice, delta: deltaOf((message ?? {}) as Json), logprobs, finish_reason: null },
    { ...choice, delta: {}, logprobs: null, finish_reason },
  ];
}

function deltaOf({ tool_calls: calls, function_call: call, ...message }: Json): Json {
  return {
    role: 'assistant',
    ...message,
    ...(Array.isArray(calls) && calls.length > 0 ? { tool_calls: calls.map(toCallDelta) } : {}),
    ...(call ? { function_call: withTextArguments(call as Json) } : {}),
  };
}

function toCallDelta(call: Json, index: number): Json {
  const called = call['function'] as Json | undefined;
  return { index, ...call, ...(called ? { function: withTextArguments(called) } : {}) };
}

/** Some engines give an object, which nobody could put together from pieces. */
function withTextArguments(called: Json): Json {
  const { arguments: said } = called;
  return typeof said === 'object' && said !== null ? { ...called, arguments: JSON.stringify(said) } : called;
}
