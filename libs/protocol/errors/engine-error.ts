/**
 * An engine's refusal in the one shape that clients know. vLLM has a number where OpenAI has a code, its older versions and
 * SGLang have no envelope, and FastAPI has `detail`.
 */
import type { ErrorBody } from './errors.ts';

/** Longest message passed on, characters. */
const MAX_MESSAGE = 2000;
const FALLBACK = 'The engine refused the request.';

type Json = Record<string, unknown>;

/** @param body JSON as it came from the engine. @returns JSON in OpenAI's envelope, with all four keys. */
export function toEngineErrorBody(body: Buffer): Buffer {
  return Buffer.from(JSON.stringify(read(body)));
}

function read(body: Buffer): ErrorBody {
  let given: Json = {};
  try {
    given = JSON.parse(body.toString('utf8')) as Json;
  } catch {
    // Not JSON: the client gets the status and a message of our own.
  }
  const inner = given['error'];
  const said = (typeof inner === 'object' && inner !== null ? inner : given) as Json;
  const message = [said['message'], inner, said['detail']].find(text => typeof text === 'string');
  const { type, param, code } = said;
  return {
    error: {
      message: (message ?? FALLBACK).slice(0, MAX_MESSAGE),
      type: typeof type === 'string' ? type : 'invalid_request_error',
      param: typeof param === 'string' ? param : null,
      code: typeof code === 'string' ? code : null,
    },
  };
}
