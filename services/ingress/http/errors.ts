/** Every error as the client sees it: a status, headers that say whether to try again, and a body in the shape of its API. */
import {
  anthropicErrorEvent,
  anthropicErrorOf,
  DispatchError,
  JSON_CONTENT_TYPE,
  toErrorBody,
} from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { BucketError, isRefusal, SealError } from '@penstock/transport';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { letGoOfBody } from './body-reader.ts';
import { answerEarly, isStillSending, NO_DRAIN } from './early-answer.ts';
import { baseHeaders, errorHeaders, publicRequestId } from './headers.ts';

/** Whose API a request speaks. */
export interface Dialect {
  errorBody(error: DispatchError): object;
  /** The event that ends a stream which has begun. @param body an error as JSON. */
  errorEvent(body: string): string;
  /** Beside those that all answers have. */
  readonly headers: Readonly<Record<string, string>>;
}

const OPENAI: Dialect = {
  errorBody: toErrorBody,
  // A clean end would look like a complete answer; both SDKs raise on a top-level `error`.
  errorEvent: body => `data: ${body}\n\n`,
  headers: {},
};

export function dialectOf(request: Pick<FastifyRequest, 'id' | 'headers' | 'url'>): Dialect {
  if (!/^\/v1\/messages(?![^/?])/.test(request.url)) return OPENAI;
  const requestId = publicRequestId(request);
  return {
    errorBody: error => anthropicErrorOf(error, requestId),
    errorEvent: anthropicErrorEvent,
    headers: { 'request-id': requestId },
  };
}

export function sendError(reply: FastifyReply, request: FastifyRequest, known: DispatchError): void {
  letGoOfBody(request);
  const dialect = dialectOf(request);
  const headers = { ...baseHeaders(request, reply.elapsedTime), ...errorHeaders(known), ...dialect.headers };
  const body = dialect.errorBody(known);
  if (!isStillSending(request.raw)) return void reply.code(known.status).headers(headers).send(body);
  const all = { ...reply.getHeaders(), ...headers, 'content-type': JSON_CONTENT_TYPE };
  const limits = known.status === 401 ? NO_DRAIN : undefined;
  answerEarly(reply, known.status, all as Record<string, string>, JSON.stringify(body), limits);
}

/** An error of our own, with its cause in the log under the id that the client is told. One that is known passes. */
export function asFault(err: unknown, id: string, log: Pick<Logger, 'error'>): DispatchError {
  if (err instanceof DispatchError) return err;
  log.error({ id, err }, 'a request failed here');
  return new DispatchError('internal_error', { cause: err });
}

/** Translates the framework's errors. */
export function toDispatchError(error: FastifyError | DispatchError): DispatchError {
  if (error instanceof DispatchError) return error;
  switch (error.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new DispatchError('unsupported_media_type');
    case 'FST_ERR_BAD_URL':
      return new DispatchError('invalid_request', { message: 'The URL is not valid. Check its % escapes.' });
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new DispatchError('not_found', { message: 'Not found: no id is this long. Check the URL.' });
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new DispatchError('invalid_request');
  }
  if (error instanceof SealError)
    return new DispatchError('store_unavailable', {
      message: `What is kept cannot be decrypted now: ${error.message}.`,
      cause: error,
    });
  if (error instanceof BucketError)
    return new DispatchError('storage_unavailable', {
      message: 'The store of files is not available. Nothing was stored or deleted; try again.',
      cause: error,
    });
  if (isRefusal(error)) return new DispatchError('store_unavailable', { cause: error });
  if (error.statusCode !== undefined && error.statusCode < 500) return new DispatchError('invalid_request');
  return new DispatchError('internal_error', { cause: error });
}
