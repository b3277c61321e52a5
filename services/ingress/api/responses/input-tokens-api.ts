/**
 * `POST /v1/responses/input_tokens`: how many tokens a request for a response would have. An engine that has `/tokenize` is asked; without one
 * the answer is the estimate that dispatch goes by.
 */
import type { Permissions } from '@penstock/access';
import { DispatchError } from '@penstock/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Dispatcher } from '../../dispatch/dispatcher.ts';
import type { Api, Guards } from '../../http/guards.ts';
import { answer } from '../../http/headers.ts';
import { NO_PREFERENCES } from '../../intake/preferences.ts';
import type { InferenceRequest, Intake } from '../../intake/understand.ts';
import { TokenCountReply } from '../../replies/token-count-reply.ts';
import type { ResponseIntake } from './response-intake.ts';

export interface InputTokensOptions {
  readonly intake: Intake;
  readonly responseIntake: ResponseIntake;
  readonly dispatcher: Dispatcher;
}

export class InputTokensApi implements Api {
  readonly #o: InputTokensOptions;

  constructor(options: InputTokensOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    app.post('/v1/responses/input_tokens', { onRequest }, (request, reply) => this.#count(request, reply));
  }

  async #count(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { responseIntake, dispatcher } = this.#o;
    const chat = responseIntake.toChat(await responseIntake.read(request), false);
    const asked = this.#toTokenize(chat, request.caller.permissions);
    if (asked === null) return answer(reply, request, shown(chat.promptTokens));
    return dispatcher.dispatch('tokenize', asked, request, reply, {
      preferences: NO_PREFERENCES,
      reshape: sink => new TokenCountReply(sink, chat.promptTokens, shown),
      conversion: 'refuse',
    });
  }

  /** Null where no worker's engine can be asked. */
  #toTokenize(
    { parsed, restore, acceptedAt }: InferenceRequest,
    permissions: Permissions,
  ): InferenceRequest | null {
    const { model, messages, tools, chat_template_kwargs } = parsed as Record<string, unknown>;
    const asked = { model, messages, tools, chat_template_kwargs, add_generation_prompt: true };
    const body = Buffer.from(restore(JSON.stringify(asked)));
    try {
      return this.#o.intake.readMade('tokenize', body, acceptedAt, permissions);
    } catch (err) {
      if (err instanceof DispatchError && err.code === 'endpoint_not_found') return null;
      throw err;
    }
  }
}

function shown(tokens: number): object {
  return { object: 'response.input_tokens', input_tokens: tokens };
}
