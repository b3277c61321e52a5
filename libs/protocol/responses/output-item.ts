/** An item of a response's output: a message, reasoning, or a call of a tool as its client knows it. */
import { CustomInput } from './custom-input.ts';
import { sealed } from './reasoning.ts';
import type { KnownTool } from './tools.ts';

type Json = Record<string, unknown>;
export type TextKind = 'message' | 'reasoning' | 'refusal';

export interface OutputItem {
  readonly kind: TextKind | 'call';
  readonly index: number;
  readonly id: string;
  readonly callId: string;
  readonly tool: KnownTool;
  /** The text; of a call its arguments, as the engine gives them. */
  text: string;
  /** Of a call of a custom tool: the text in its arguments. */
  readonly custom: CustomInput | null;
  readonly logprobs: object[];
  /** The answer was cut off within this item. */
  isCut: boolean;
}

/** A call as an engine tells it. */
export interface CallStart {
  readonly number: number;
  readonly id: string | null;
  readonly tool: KnownTool;
}

export const NO_CALL: CallStart = {
  number: -1,
  id: null,
  tool: { kind: 'function', name: '', namespace: null },
};

const PREFIX = { message: 'msg', refusal: 'msg', reasoning: 'rs' } as const;
const CALL_PREFIX = { function: 'fc', custom: 'ctc' } as const;

/** @param runId of the response; an item is found by it. */
export function newItem(kind: OutputItem['kind'], index: number, runId: string, call: CallStart): OutputItem {
  const { tool } = call;
  const id = `${kind === 'call' ? CALL_PREFIX[tool.kind] : PREFIX[kind]}_${runId}_${index}`;
  return {
    ...{ kind, index, id, tool, callId: call.id ?? id, text: '', logprobs: [], isCut: false },
    custom: kind === 'call' && tool.kind === 'custom' ? new CustomInput() : null,
  };
}

/** The response and the place of the item in its output; null where the id is not of an output item. */
export function placeOfItem(id: string): { readonly runId: string; readonly index: number } | null {
  const [, runId, index] = /^(?:msg|rs|fc|ctc)_([a-z0-9_-]{1,48})_(\d{1,6})$/.exec(id) ?? [];
  return runId === undefined ? null : { runId, index: Number(index) };
}

export const placeOf = (item: OutputItem) => ({
  ...{ item_id: item.id, output_index: item.index, content_index: 0 },
});

export function partOf(kind: TextKind, text: string, logprobs: readonly object[] = []): Json {
  if (kind === 'reasoning') return { type: 'reasoning_text', text };
  if (kind === 'refusal') return { type: 'refusal', refusal: text };
  return { type: 'output_text', text, annotations: [], logprobs };
}

export const summaryPart = (text: string): Json => ({ type: 'summary_text', text });

export function startedItem(item: OutputItem): Json {
  const { id, kind } = item;
  const status = 'in_progress';
  if (kind === 'reasoning') return { id, type: kind, summary: [], content: [], status };
  if (kind === 'call') return { ...callHead(item), ...callSaid(item, ''), status };
  return { id, type: 'message', role: 'assistant', status, content: [] };
}

export interface ItemTerms {
  readonly isCut: boolean;
  /** Reasoning is packed too, for clients that hand it on unread. */
  readonly isSealed: boolean;
}

export function wholeItem(item: OutputItem, { isCut, isSealed }: ItemTerms): Json {
  const { id, kind, text, logprobs } = item;
  const status = isCut ? 'incomplete' : 'completed';
  if (kind === 'call') {
    const said = item.custom === null ? text : item.custom.end().input;
    return { ...callHead(item), ...callSaid(item, said), status };
  }
  const content = [partOf(kind, text, logprobs)];
  if (kind !== 'reasoning') return { id, type: 'message', role: 'assistant', status, content };
  const packed = isSealed ? { encrypted_content: sealed(text) } : {};
  return { id, type: kind, summary: [summaryPart(text)], content, ...packed, status };
}

function callHead({ id, callId, tool }: OutputItem): Json {
  const { kind, name, namespace } = tool;
  const type = kind === 'custom' ? 'custom_tool_call' : 'function_call';
  return { id, type, call_id: callId, name, ...(namespace === null ? {} : { namespace }) };
}

function callSaid({ custom }: OutputItem, text: string): Json {
  return custom === null ? { arguments: text } : { input: text };
}
