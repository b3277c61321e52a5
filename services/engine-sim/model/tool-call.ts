/** What the simulated model does with tools: it calls one, until it is shown a result. */

import { BYTES_PER_TOKEN } from '../batching/prefix-cache.ts';
import { BadRequest } from './bad-request.ts';

type Json = Record<string, unknown>;

export interface ToolCall {
  readonly name: string;
  /** The JSON of the arguments, a token each. */
  readonly pieces: readonly string[];
}

/**
 * The call that answers a chat request; null where the answer is text. `tool_choice` is obeyed; where it leaves the choice, the first
 * tool is called unless the conversation ends with a tool's result.
 * @throws BadRequest
 */
export function toolCallFor(body: Json): ToolCall | null {
  const { tools, tool_choice: choice, messages } = body;
  if (!Array.isArray(tools) || tools.length === 0 || choice === 'none') return null;
  const answered = Array.isArray(messages) && (messages.at(-1) as Json | undefined)?.['role'] === 'tool';
  if (answered && choice !== 'required' && typeof choice !== 'object') return null;
  const functions = tools.map((tool: unknown, i) => readFunction(tool, i));
  const wanted = ((choice as Json | null | undefined)?.['function'] as Json | undefined)?.['name'];
  const chosen = wanted === undefined ? functions[0] : functions.find(({ name }) => name === wanted);
  if (chosen === undefined) throw new BadRequest('tool_choice names no tool of the request', 'tool_choice');
  const text = JSON.stringify(exampleOf({ type: 'object', ...chosen.parameters }));
  return { name: chosen.name, pieces: text.match(new RegExp(`.{1,${BYTES_PER_TOKEN}}`, 'gsu')) ?? [] };
}

function readFunction(tool: unknown, index: number): { name: string; parameters: Json } {
  const { type, function: described } = (tool ?? {}) as Json;
  const { name, parameters } = (described ?? {}) as Json;
  if (type !== 'function' || typeof name !== 'string')
    throw new BadRequest('a tool must be a function with a name', `tools[${index}]`);
  return { name, parameters: (parameters ?? {}) as Json };
}

/** A small value of a JSON schema: required properties only. */
function exampleOf(schema: Json): unknown {
  const { type, enum: choices, properties, required } = schema;
  if (Array.isArray(choices)) return choices[0];
  if (type === 'number' || type === 'integer') return 1;
  if (type === 'boolean') return true;
  if (type === 'array') return [];
  if (type !== 'object') return 'river';
  const names = Array.isArray(required) ? required.map(String) : [];
  const known = (properties ?? {}) as Record<string, Json>;
  return Object.fromEntries(names.map(name => [name, exampleOf(known[name] ?? {})]));
}
