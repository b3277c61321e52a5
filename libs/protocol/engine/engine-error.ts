/**
 * Errors as engines tell them, in every spelling: OpenAI's envelope, vLLM's with a number for a code, the flat one of SGLang and
 * older vLLM, that of Hugging Face's servers with an `error_type`, FastAPI's `detail`, plain text. With a status of their own or, in
 * answers that began well, without.
 */
import type { ErrorBody } from '../errors/errors.ts';
import { isObject } from '../json/is-object.ts';

/**
 * Whose fault it is. `client`: the request cannot succeed here, or the engine has no such endpoint; told once, in the engine's
 * words. `busy`: the engine has no room now. `misconfigured`: the engine does not accept the worker's credentials, or sends the worker
 * elsewhere. `engine`: all the rest.
 */
export type Fault = 'client' | 'busy' | 'misconfigured' | 'engine';

export interface EngineError {
  readonly fault: Fault;
  /** HTTP status that it was told with, or that its words stand for. */
  readonly status: number;
  /** The engine's words. Null where it gave none. */
  readonly words: string | null;
  /** In the shape that clients know. */
  readonly body: ErrorBody;
}

/** Longest message passed on, characters. */
const MAX_MESSAGE = 2000;
const FALLBACK = 'The engine refused the request.';
const NO_ENDPOINT = 'The engine has no such endpoint';
const FOR_OPERATOR = 'which is for the operator to mend';
const MISCONFIGURED = `The engine does not accept the credentials of its worker, ${FOR_OPERATOR}`;
const NO_ANSWER = `The engine answered with a status that is none of its API, ${FOR_OPERATOR}`;

type Json = Record<string, unknown>;

/** Types and codes of a prompt that is too long, letters only. */
const NAMES_TOO_LONG = /contextlength|contextsize|contextwindow|stringabovemax|promptistoolong/;
/** What types and codes stand for, letters only. */
const NAMED: readonly (readonly [RegExp, number])[] = [
  [NAMES_TOO_LONG, 400],
  [/badrequest|invalidrequest|invalidparam|invalidprompt|validation/, 400],
  [/notfound/, 404],
  [/unprocessable/, 422],
  [/toolarge/, 413],
  [/ratelimit|toomanyrequests/, 429],
  [/overloaded|unavailable|serverbusy/, 503],
  [/authentication|unauthorized|invalidapikey/, 401],
  [/permission|forbidden/, 403],
];
/** 529: Anthropic's, and of what speaks as it does. */
const BUSY = new Set([429, 503, 529]);
const NAMES_MODEL = /\bmodel\b/i;
/** As frameworks say it. */
const NO_ROUTE = /^(file |page |route |404 page )?not found\.?$/i;
/** A prompt, or a prompt and the answer asked for, that is too long: words of vLLM, SGLang, llama.cpp, TGI, TensorRT-LLM, LM Studio, Ollama. */
const TOO_LONG = new RegExp(
  [
    /(exceed|longer than|larger than|greater than|maximum)[^.]{0,60}\bcontext\b/,
    /\bcontext (length|size|window)\b[^.]{0,60}(exceed|\bonly\b)/,
    /(exceed|longer than)[^.]{0,20}\b(max|maximum) (model|input|sequence|prompt)[ _]len/,
    /\bprompt (is )?too long\b/,
    /`inputs` (tokens \+ `max_new_tokens` must be <=|must have less than)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
/** What clients look for before they shorten a conversation. */
export const CONTEXT_CODE = 'context_length_exceeded';

/**
 * The error that a body or event holds; null where it is an answer. `"error": null` is none.
 * @param name value of the event's `event` field.
 */
export function findError(said: unknown, name = ''): EngineError | null {
  if (!isObject(said)) return null;
  const inner = said['error'];
  const isEnvelope = isObject(inner) || (typeof inner === 'string' && inner !== '');
  const isFlat =
    said['object'] === 'error' || said['type'] === 'error' || name === 'error' || isUnmarked(said);
  const isBare = said['choices'] === undefined && said['data'] === undefined && said['detail'] !== undefined;
  return isEnvelope || isFlat || isBare ? toError(said, null) : null;
}

/** Nothing but a message, and what stands for a status. */
function isUnmarked(said: Json): boolean {
  const isAnswer = said['choices'] !== undefined || said['data'] !== undefined;
  return typeof said['message'] === 'string' && !isAnswer && namedStatus(said) !== null;
}

/** An answer whose HTTP status says that it is an error. */
export function readEngineError(status: number, body: Buffer): EngineError {
  const text = body.toString('utf8', 0, 64 * 1024);
  let said: unknown = null;
  try {
    said = JSON.parse(text);
  } catch {
    if (!/^\s*[<{[]/.test(text)) said = { detail: text.trim() };
  }
  return toError(isObject(said) ? said : {}, status);
}

/** @param told HTTP status; null where it says that all is well. */
function toError(said: Json, told: number | null): EngineError {
  const inner = said['error'];
  const fields = isObject(inner) ? inner : said;
  const faults = faultsIn(said['detail']);
  const detail = faults.length === 0 ? said['detail'] : wordsOf(faults);
  const words = [fields['message'], inner, said['message'], detail, fields['msg']].find(
    (text): text is string => typeof text === 'string' && text !== '',
  );
  const { type, param = faults[0]?.field, code } = fields;
  const status = statusOf(fields, told, words ?? '');
  const hasEndpoint = told === null || !isNoEndpoint(status, said, words ?? '');
  const fault = faultOf(status, hasEndpoint);
  return {
    ...{ fault, status },
    words: words?.slice(0, MAX_MESSAGE) ?? null,
    body: {
      error: {
        message: messageOf(words, { fault, status, hasEndpoint }).slice(0, MAX_MESSAGE),
        type: typeof type === 'string' && type !== 'error' ? type : 'invalid_request_error',
        param: typeof param === 'string' && param !== '' ? param : null,
        code: ownCode(code) ?? impliedCode({ fault, status, hasEndpoint }, fields, words ?? ''),
      },
    },
  };
}

/** The status that the client gets: it would follow an engine's redirect, and take an empty answer for one. */
export function statusForClient({ status }: EngineError): number {
  return isAnError(status) ? status : 502;
}

/** What FastAPI finds wrong with a field. */
interface FieldFault {
  /** As `messages[0].role`. */
  readonly field: string;
  readonly words: string;
}

/** Of many, the first few say enough. */
const MAX_FAULTS = 5;

/** Each entry has `loc`, the path to the field, and `msg`. Its `input` repeats the prompt, and is left out. */
function faultsIn(detail: unknown): FieldFault[] {
  const entries: unknown[] = Array.isArray(detail) ? detail.slice(0, MAX_FAULTS) : [detail];
  return entries.flatMap(entry => {
    if (!isObject(entry)) return [];
    const words = entry['msg'] ?? entry['message'];
    if (typeof words !== 'string' || words === '') return [];
    const path = Array.isArray(entry['loc'])
      ? entry['loc'].filter((part, i) => i > 0 || part !== 'body')
      : [];
    const field = path.map((part, i) =>
      typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${part}`,
    );
    return [{ field: field.join(''), words }];
  });
}

function wordsOf(faults: readonly FieldFault[]): string {
  return faults.map(({ field, words }) => (field === '' ? words : `${field}: ${words}`)).join('; ');
}

interface Judged {
  readonly fault: Fault;
  readonly status: number;
  readonly hasEndpoint: boolean;
}

function messageOf(words: string | undefined, judged: Judged): string {
  const lead = leadOf(judged);
  if (lead === null) return words ?? FALLBACK;
  return words === undefined ? `${lead}.` : `${lead}: ${words}`;
}

/** What the engine's words do not say. */
function leadOf({ fault, status, hasEndpoint }: Judged): string | null {
  if (!isAnError(status)) return `${NO_ANSWER} (${status})`;
  if (fault === 'misconfigured') return MISCONFIGURED;
  return hasEndpoint ? null : NO_ENDPOINT;
}

function statusOf(fields: Json, told: number | null, words: string): number {
  const status = told ?? namedStatus(fields) ?? 500;
  return status >= 500 && status !== 501 && TOO_LONG.test(words) ? 400 : status;
}

/** What stands for a status among the fields of an error; null where nothing does. */
function namedStatus(fields: Json): number | null {
  for (const field of ['code', 'status', 'status_code', 'http_code']) {
    const number = Number(fields[field]);
    if (fields[field] !== null && number >= 400 && number < 600) return number;
  }
  for (const field of ['code', 'type', 'error_type']) {
    const name = lettersOf(fields[field]);
    const known = NAMED.find(([pattern]) => pattern.test(name));
    if (known !== undefined) return known[1];
  }
  return null;
}

function lettersOf(name: unknown): string {
  return String(name ?? '')
    .replaceAll(/[^a-z]/gi, '')
    .toLowerCase();
}

/** A 404 is about the model, unless it comes of a framework that knows no such route. */
function isNoEndpoint(status: number, said: Json, words: string): boolean {
  if (status !== 404) return status === 405 || status === 501;
  const isEnveloped = isObject(said['error']) || said['object'] === 'error';
  return isEnveloped ? NO_ROUTE.test(words) : !NAMES_MODEL.test(words);
}

/** vLLM's code is the number 404. */
function isNoModel(status: number, hasEndpoint: boolean, words = ''): boolean {
  return status === 404 && hasEndpoint && NAMES_MODEL.test(words);
}

/** Many engines repeat the status there. */
function ownCode(code: unknown): string | null {
  return typeof code === 'string' && /[a-z]/i.test(code) ? code : null;
}

/** The code by which clients know what the engine said in words, or in a type of its own. */
function impliedCode({ fault, status, hasEndpoint }: Judged, { type }: Json, words: string): string | null {
  if (isNoModel(status, hasEndpoint, words)) return 'model_not_found';
  const isTooLong = TOO_LONG.test(words) || NAMES_TOO_LONG.test(lettersOf(type));
  return fault === 'client' && isTooLong ? CONTEXT_CODE : null;
}

/** No engine means a redirect or an empty answer, and clients cannot be asked for a proxy's password. */
function isAnError(status: number): boolean {
  return status >= 400 && status !== 407;
}

function faultOf(status: number, hasEndpoint: boolean): Fault {
  if (BUSY.has(status)) return 'busy';
  if (status === 401 || status === 403 || !isAnError(status)) return 'misconfigured';
  // 424: what the server depends on failed, which is the model.
  return (status < 500 && status !== 424) || !hasEndpoint ? 'client' : 'engine';
}
