/** How failures of an engine are reported. */
import type { EngineError, FailedMeta } from '@penstock/protocol';
import { MAX_ANSWER_BYTES } from '../engine/engine.ts';

/** The engine did not answer, or not to the end. */
export function connectionFailure(error: Error & { code?: string }): FailedMeta {
  if (error.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    const message = `the answer is longer than ${MAX_ANSWER_BYTES / 1024 / 1024} MB: ask for less in one request`;
    return { code: 'engine_error', message, retryable: false };
  }
  if (error.code === 'UND_ERR_CONNECT_TIMEOUT') {
    const message = 'the engine did not accept a connection';
    return { code: 'engine_timeout', message, retryable: true };
  }
  return { code: 'engine_error', message: 'the connection to the engine failed', retryable: true };
}

export function engineFailure(message: string): FailedMeta {
  return { code: 'engine_error', message, retryable: true };
}

/** @param lead what it means, for people. */
export function worded(lead: string, { status, words }: EngineError): string {
  return words === null ? `${lead} (${status})` : `${lead} (${status}): ${words}`;
}
