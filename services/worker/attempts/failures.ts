/** How failures of an engine are reported. */
import type { EngineError, FailedMeta } from '@penstock/protocol';
import { MAX_ANSWER_BYTES } from '../engine/engine.ts';

/**
 * How an attempt ended. `client_error`: the engine refused the request, which is not the engine's fault. `busy`: it has no room.
 * `gone`: it has just unloaded the model. `misconfigured`: it does not accept this worker's credentials, or redirects.
 * `not_loaded`: the request's body is not to be had, and the engine was not asked.
 */
export type AttemptOutcome =
  | 'done'
  | 'client_error'
  | 'busy'
  | 'gone'
  | 'misconfigured'
  | 'not_loaded'
  | 'failed'
  | 'dropped';

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

/** What is said of a failure. */
export interface Worded {
  /** For the client whose request it was and for its trail, with the engine's words. */
  readonly message: string;
  /** For logs and traces: an engine may say the prompt in a way in which nobody finds it, so without its words. */
  readonly brief: string;
}

/** @param lead what it means, for people. @param asked the request, which is not quoted. */
export function worded(lead: string, { status, words }: EngineError, asked: Buffer): Worded {
  const brief = `${lead} (${status})`;
  return { brief, message: words === null ? brief : `${brief}: ${withoutQuotes(words, asked)}` };
}

const MAX_WORDS = 500;
/** As many characters of the request, said by the engine, are no accident. */
const QUOTE = 24;
const STEP = QUOTE / 2;
/** Longer requests are not parsed for this. */
const MAX_PARSED = 1024 * 1024;

/** Engines quote prompts, and messages of failures are kept longer than those: what is also in the request is left out. */
export function withoutQuotes(words: string, asked: Buffer): string {
  const request = asked.toString('utf8', 0, MAX_PARSED);
  const text = asked.length > MAX_PARSED ? request : normal(request);
  // Written as in JSON, both have the same characters for the same text.
  const said = JSON.stringify(words.slice(0, MAX_WORDS)).slice(1, -1);
  let out = '';
  let at = 0;
  for (let from = 0; from + STEP <= said.length; from = Math.max(from + STEP, at)) {
    const found = text.indexOf(said.slice(from, from + STEP));
    if (found < 0) continue;
    let start = from;
    while (start > at && text[found - (from - start) - 1] === said[start - 1]) start--;
    let end = from + STEP;
    while (end < said.length && text[found + end - from] === said[end]) end++;
    if (end - start < QUOTE) continue;
    out += `${said.slice(at, start)}…`;
    at = end;
  }
  return unescaped(out + said.slice(at));
}

function normal(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json));
  } catch {
    return json;
  }
}

/** A cut may have gone through an escape. */
function unescaped(said: string): string {
  try {
    return JSON.parse(`"${said}"`);
  } catch {
    return said;
  }
}
