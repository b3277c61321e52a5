/** The check of an engine's request, by endpoint: ingress, batches and workers all ask here. */
import { validateChat } from '../openai/chat-request.ts';
import { validateCompletion } from '../openai/completion-request.ts';
import { validateEmbedding } from '../openai/embedding-request.ts';
import type { RequestSummary } from '../openai/request-summary.ts';
import type { Endpoint } from '../wire/endpoints.ts';
import { PASSED_ON, type PassedOn, validatePassedOn } from './passed-on.ts';

const OWN_CHECKS = {
  chat: validateChat,
  completions: validateCompletion,
  embeddings: validateEmbedding,
} as const satisfies Record<Exclude<Endpoint, PassedOn>, (value: unknown) => RequestSummary>;

/**
 * @param value the parsed body.
 * @throws DispatchError `invalid_request` with the field in `param`.
 */
export function validateRequest(endpoint: Endpoint, value: unknown): RequestSummary {
  return isPassedOn(endpoint) ? validatePassedOn(endpoint, value) : OWN_CHECKS[endpoint](value);
}

function isPassedOn(endpoint: Endpoint): endpoint is PassedOn {
  return Object.hasOwn(PASSED_ON, endpoint);
}
