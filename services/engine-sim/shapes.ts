/** The wire shapes of answers: whole objects, and stream events with all that is constant written once per request. */
import type { Endpoint } from './job.ts';

export interface AnswerHead {
  readonly endpoint: Endpoint;
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export const DONE_EVENT = 'data: [DONE]\n\n';

export function usageOf(prompt: number, completion: number, cached: number): Usage {
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
  /** One event per token. Tokens must need no escaping. */
  tokens(index: number, tokens: readonly string[]): string;
  finish(index: number, reason: string): string;
  usage(usage: Usage): string;
}

export function eventWriter(head: AnswerHead): EventWriter {
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
      for (const token of tokens) out += before + token + after;
      return out;
    },
    finish: (index, reason) =>
      `${start}{"index":${index},${empty},"logprobs":null,"finish_reason":"${reason}","stop_reason":null}]}\n\n`,
    usage: usage => `${start}],"usage":${JSON.stringify(usage)}}\n\n`,
  };
}

export interface WholeChoice {
  readonly text: string;
  readonly finishReason: string;
}

export function wholeAnswer(head: AnswerHead, choices: readonly WholeChoice[], usage: Usage): object {
  const { endpoint, id, created, model } = head;
  const chat = endpoint === 'chat';
  return {
    id,
    object: chat ? 'chat.completion' : 'text_completion',
    created,
    model,
    choices: choices.map(({ text, finishReason }, index) => ({
      index,
      ...(chat ? { message: { role: 'assistant', content: text } } : { text }),
      logprobs: null,
      finish_reason: finishReason,
    })),
    usage,
  };
}

export function errorBody(message: string, type: string, code: number, param: string | null = null): object {
  return { error: { message, type, param, code } };
}
