/** Errors that take the place of an answer. */
import {
  DispatchError,
  type FailedMeta,
  isErrorCode,
  JSON_CONTENT_TYPE,
  type ResultMeta,
  type RunResult,
  toErrorBody,
} from '@penstock/protocol';

/** @param finishedAt Unix ms. */
export function errorResult(error: DispatchError, finishedAt: number): RunResult & ResultMeta {
  const body = Buffer.from(JSON.stringify(toErrorBody(error)));
  return { status: error.status, contentType: JSON_CONTENT_TYPE, body, finishedAt };
}

/** The error that a client gets for a failed attempt. Codes of a newer version become `engine_error`. */
export function failureError({ code, message }: FailedMeta): DispatchError {
  return new DispatchError(isErrorCode(code) ? code : 'engine_error', { message });
}
