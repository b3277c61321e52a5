/** Errors in the shape of Anthropic's API. Its SDKs choose their class by the status, and show the message. */
import type { DispatchError } from '../errors/errors.ts';

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

export interface AnthropicError {
  readonly type: 'error';
  readonly error: { readonly type: string; readonly message: string };
  readonly request_id: string;
}

/** @param requestId as headers have it. */
export function toAnthropicError(status: number, message: string, requestId: string): AnthropicError {
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
  return { type: 'error', error: { type, message }, request_id: requestId };
}

export function anthropicErrorOf(error: DispatchError, requestId: string): AnthropicError {
  return toAnthropicError(error.status, error.message, requestId);
}

/** The event that ends a stream which has begun. @param body of the error, as JSON. */
export function anthropicErrorEvent(body: string): string {
  return `event: error\ndata: ${body}\n\n`;
}
