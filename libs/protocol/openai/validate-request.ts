/** The check of an engine's request, by endpoint: ingress, batches and workers all ask here. */
import type { Endpoint } from '../wire/envelope.ts';
import { validateChat } from './chat-request.ts';
import { validateCompletion } from './completion-request.ts';
import { validateEmbedding } from './embedding-request.ts';
import type { RequestSummary } from './request-summary.ts';

const VALIDATORS: Readonly<Record<Endpoint, (value: unknown) => RequestSummary>> = {
  chat: validateChat,
  completions: validateCompletion,
  embeddings: validateEmbedding,
};

/**
 * @param value the parsed body.
 * @throws DispatchError `invalid_request` with the field in `param`.
 */
export function validateRequest(endpoint: Endpoint, value: unknown): RequestSummary {
  return VALIDATORS[endpoint](value);
}
