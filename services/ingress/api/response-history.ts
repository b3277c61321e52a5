/** The conversation before a response: the chain of `previous_response_id`, as messages for the engine. */
import { type ChatChunk, type ChatMessage, DispatchError, messagesOf } from '@penstock/protocol';
import type { RunFinder } from '@penstock/runs';
import { chainKeyOf } from '../placement/session-key.ts';
import { detailIn } from '../runs/response-view.ts';

/** Responses a chain of `previous_response_id` may have. */
const MAX_CHAIN = 200;

export interface History {
  /** Oldest first. */
  readonly earlier: readonly ChatMessage[];
  /** Key of the chain; null for a response without a predecessor. */
  readonly root: string | null;
}

export class ResponseHistory {
  readonly #runs: Pick<RunFinder, 'find'>;
  readonly #mostBytes: number;

  /** @param mostBytes that a request may have together with the responses it follows. */
  constructor(runs: Pick<RunFinder, 'find'>, mostBytes: number) {
    this.#runs = runs;
    this.#mostBytes = mostBytes;
  }

  /** @throws DispatchError where a response of the chain is not there, or the chain is too long. */
  async read(previousId: string | null, tenant: string): Promise<History> {
    let root: string | null = null;
    let bytes = 0;
    const parts: ChatMessage[][] = [];
    for (let id = previousId; id !== null; ) {
      const run = await this.#runs.find(id, tenant, 'response').catch(() => null);
      if (run?.result?.status !== 200)
        throw new DispatchError('previous_response_not_found', { param: 'previous_response_id' });
      if (parts.length >= MAX_CHAIN)
        throw new DispatchError('invalid_request', {
          message: `A response may follow ${MAX_CHAIN} others. Begin a new chain with what matters of it.`,
          param: 'previous_response_id',
        });
      bytes += run.detail.length + run.result.body.length;
      this.assertFits(bytes);
      const detail = detailIn(run);
      parts.unshift([...messagesOf(detail.input), ...answerOf(run.result.body)]);
      root = detail.chain ?? chainKeyOf(null, run.id);
      id = detail.previousId;
    }
    return { earlier: parts.flat(), root };
  }

  /** @throws DispatchError where so many bytes are too many for the queue. */
  assertFits(bytes: number): void {
    if (bytes <= this.#mostBytes) return;
    throw new DispatchError('body_too_large', {
      message: `The input and the responses before it have more than ${this.#mostBytes} bytes. Begin a new chain with what matters of it.`,
      param: 'previous_response_id',
    });
  }
}

/** The assistant's answer as a chat message for the next turn. */
function answerOf(body: Buffer): ChatMessage[] {
  const { choices } = JSON.parse(body.toString('utf8')) as ChatChunk;
  const message = choices?.[0]?.message;
  if (message === undefined) return [];
  const calls = message.tool_calls?.map(call => ({ ...call, type: 'function' }));
  return [{ role: 'assistant', content: message.content ?? null, ...(calls ? { tool_calls: calls } : {}) }];
}
