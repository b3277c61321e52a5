/** Errors that take the place of an answer. */
import {
  DispatchError,
  ERRORS,
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

/** The error of what was not answered in time. @param lastWords why its last attempt ended. */
export function deadlineError(lastWords: string | null): DispatchError {
  const text = ERRORS.deadline_exceeded.text;
  const message = lastWords === null ? text : `${text} The last attempt failed: ${lastWords}`;
  return new DispatchError('deadline_exceeded', { message });
}

/** The error of what waited for an endpoint that no engine of its model has any more. */
export function endpointLeft(): DispatchError {
  return new DispatchError('endpoint_not_found', {
    message:
      'The engines of this model were replaced while the request waited. Send it again: if none serves this endpoint now, the answer says which they serve.',
  });
}
