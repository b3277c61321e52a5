/** The wire shapes of answers: whole objects, and stream events with all that is constant written once per request. */
import type { Endpoint } from '../model/job.ts';

export interface AnswerHead {
  readonly endpoint: Endpoint;
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
}

export interface UsageObject {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export const DONE_EVENT = 'data: [DONE]\n\n';

export function usageOf(prompt: number, completion: number, cached: number): UsageObject {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}

export interface EventWriter {
  /** What comes before the first token of a choice. */
  role(index: number): string;
  /** So many tokens an event. Tokens must need no escaping. */
  tokens(index: number, tokens: readonly string[]): string;
  /** Opens a tool call, then its arguments piece by piece. */
  call(index: number, name: string): string;
  callArguments(index: number, pieces: readonly string[]): string;
  finish(index: number, reason: string): string;
  usage(usage: UsageObject): string;
}

export function eventWriter(head: AnswerHead, tokensPerChunk = 1): EventWriter {
  const chat = head.endpoint === 'chat';
  const object = chat ? 'chat.completion.chunk' : 'text_completion';
  const start = `data: {"id":"${head.id}","object":"${object}","created":${head.created},"model":${JSON.stringify(head.model)},"choices":[`;
  const field = chat ? '"delta":{"content":"' : '"text":"';
  const after = chat
    ? '"},"logprobs":null,"finish_reason":null}]}\n\n'
    : '","logprobs":null,"finish_reason":null}]}\n\n';
  const empty = chat ? '"delta":{}' : '"text":""';
  return {
    role: index =>
      chat
        ? `${start}{"index":${index},"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n`
        : '',
    tokens: (index, tokens) => {
      const before = `${start}{"index":${index},${field}`;
      let out = '';
      for (let at = 0; at < tokens.length; at += tokensPerChunk)
        out += before + tokens.slice(at, at + tokensPerChunk).join('') + after;
      return out;
    },
    call: (index, name) => {
      const call = { index: 0, id: callId(head, index), type: 'function', function: { name, arguments: '' } };
      return delta(start, index, call);
    },
    callArguments: (index, pieces) =>
      pieces.map(piece => delta(start, index, { index: 0, function: { arguments: piece } })).join(''),
    finish: (index, reason) =>
      `${start}{"index":${index},${empty},"logprobs":null,"finish_reason":"${reason}","stop_reason":null}]}\n\n`,
    usage: usage => `${start}],"usage":${JSON.stringify(usage)}}\n\n`,
  };
}

function delta(start: string, index: number, call: object): string {
  return `${start}{"index":${index},"delta":{"tool_calls":[${JSON.stringify(call)}]},"logprobs":null,"finish_reason":null}]}\n\n`;
}

function callId(head: AnswerHead, index: number): string {
  return `call_${head.id}_${index}`;
}

export interface WholeChoice {
  /** The arguments where it is a call. */
  readonly text: string;
  /** Name of the tool called. */
  readonly call: string | null;
  readonly finishReason: string;
}

export function wholeAnswer(head: AnswerHead, choices: readonly WholeChoice[], usage: UsageObject): object {
  const { endpoint, id, created, model } = head;
  const chat = endpoint === 'chat';
  return {
    id,
    object: chat ? 'chat.completion' : 'text_completion',
    created,
    model,
    choices: choices.map((choice, index) => ({
      index,
      ...(chat ? { message: messageOf(head, choice, index) } : { text: choice.text }),
      logprobs: null,
      finish_reason: choice.finishReason,
    })),
    usage,
  };
}

function messageOf(head: AnswerHead, { text, call }: WholeChoice, index: number): object {
  const message = { role: 'assistant', content: call === null ? text : null, refusal: null, annotations: [] };
  if (call === null) return message;
  const calls = [{ id: callId(head, index), type: 'function', function: { name: call, arguments: text } }];
  return { ...message, tool_calls: calls };
}

export function errorBody(message: string, type: string, code: number, param: string | null = null): object {
  return { error: { message, type, param, code } };
}
