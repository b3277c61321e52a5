/**
 * Every failure a client can see: one table, in OpenAI's error shape. Codes are never reused for another meaning.
 * Types follow OpenAI's API (docs/errors.md lists them); the official SDKs choose their error class by the status.
 */
interface ErrorSpec {
  readonly status: number;
  readonly type: string;
  /** Value of `x-should-retry`, which overrides the SDKs' own rule. */
  readonly shouldRetry?: boolean;
  /** Says what the client can do. Never contains anything it sent. */
  readonly text: string;
}

const invalid = 'invalid_request_error';
const server = 'server_error';

export const ERRORS = {
  invalid_request: {
    status: 400,
    type: invalid,
    text: 'The request is not valid. Compare it with GET /openapi.json.',
  },
  resource_limit_exceeded: {
    status: 400,
    type: invalid,
    shouldRetry: false,
    text: 'The project keeps as much as its limit allows. Delete what is not needed any more, or ask the operator to raise the limit.',
  },
  invalid_json: {
    status: 400,
    type: invalid,
    text: 'The body is not valid JSON. Send a JSON object in UTF-8.',
  },
  json_too_complex: {
    status: 400,
    type: invalid,
    text: 'The body is nested too deeply or has too many parts. Send less, or a simpler structure.',
  },
  missing_api_key: {
    status: 401,
    type: invalid,
    text: 'No API key was given. Send it as: Authorization: Bearer YOUR_KEY.',
  },
  invalid_api_key: {
    status: 401,
    type: invalid,
    text: 'The API key is not valid. Check which key you use.',
  },
  missing_scope: {
    status: 403,
    type: invalid,
    text: 'You have insufficient permissions for this operation: the API key lacks a scope. Use another key, or ask who made it.',
  },
  admin_key_required: {
    status: 403,
    type: invalid,
    text: 'You have insufficient permissions for this operation: it takes an admin key (of PENSTOCK_ADMIN_KEYS, or made at /v1/organization/admin_api_keys), and this is an API key of a project, or a token of an identity provider.',
  },
  project_not_found: { status: 404, type: invalid, text: 'No such project.' },
  kept_in_file: {
    status: 409,
    type: invalid,
    shouldRetry: false,
    text: 'This is kept in the file of projects (PENSTOCK_PROJECTS_FILE) and can be changed there only.',
  },
  service_account_not_found: { status: 404, type: invalid, text: 'No such service account in this project.' },
  key_not_found: { status: 404, type: invalid, text: 'No such key here. It may have been deleted.' },
  job_not_found: {
    status: 404,
    type: invalid,
    text: 'No such job. It may have been deleted, or have expired.',
  },
  job_cancelled: {
    status: 409,
    type: invalid,
    shouldRetry: false,
    text: 'The job was cancelled. Send the request again if you still need the answer.',
  },
  completion_not_found: {
    status: 404,
    type: invalid,
    text: 'No such chat completion. It was not stored, was deleted, or has expired.',
  },
  file_not_found: { status: 404, type: invalid, text: 'No such File object. It may have been deleted.' },
  batch_not_found: {
    status: 404,
    type: invalid,
    text: 'No such batch. It may have expired, or belong to another API key.',
  },
  webhook_not_found: {
    status: 404,
    type: invalid,
    text: 'No such webhook endpoint. It may have been deleted.',
  },
  delivery_not_found: {
    status: 404,
    type: invalid,
    text: 'No such delivery. The latest 500 of an endpoint are kept for a week.',
  },
  webhook_unreachable: {
    status: 400,
    type: invalid,
    text: 'The webhook endpoint could not be reached. Check its URL.',
  },
  response_not_found: {
    status: 404,
    type: invalid,
    text: 'No such response. It may have been deleted, or have expired.',
  },
  conversation_not_found: {
    status: 404,
    type: invalid,
    text: 'No such conversation. It may have been deleted, or have expired.',
  },
  conversation_locked: {
    status: 409,
    type: invalid,
    text: 'Another response is being made in this conversation. Try again when it is over.',
  },
  item_not_found: {
    status: 404,
    type: invalid,
    text: 'No such item. It was not stored, was deleted, or has expired.',
  },
  previous_response_not_found: {
    status: 400,
    type: invalid,
    text: 'The previous response was not found, or is not finished. It may have been deleted, or have expired.',
  },
  stream_expired: {
    status: 400,
    type: invalid,
    text: 'The events of this response have expired. Retrieve it without `stream`.',
  },
  idempotency_key_reused: {
    status: 400,
    type: invalid,
    text: 'This Idempotency-Key was used for another request. Use a new key for each request.',
  },
  not_found: {
    status: 404,
    type: invalid,
    text: 'No such route. API routes start with /v1; GET /v1 lists them.',
  },
  model_not_found: {
    status: 404,
    type: invalid,
    text: 'The model does not exist. GET /v1/models lists the available models.',
  },
  endpoint_not_found: {
    status: 404,
    type: invalid,
    text: 'No worker of this model serves this endpoint. Use another model or another endpoint.',
  },
  method_not_allowed: {
    status: 405,
    type: invalid,
    text: 'This route does not allow this method. The Allow header lists those it does.',
  },
  body_timeout: {
    status: 408,
    type: invalid,
    text: 'The body did not arrive in time. Send the request again.',
  },
  body_too_large: {
    status: 413,
    type: invalid,
    text: 'The body is larger than this server accepts. Send a smaller one.',
  },
  unsupported_media_type: {
    status: 415,
    type: invalid,
    text: 'Send the body as application/json, without Content-Encoding.',
  },
  queue_full: {
    status: 429,
    type: 'rate_limit_error',
    text: 'The queue is full. Try again after the time in Retry-After.',
  },
  queue_wait_too_long: {
    status: 429,
    type: 'rate_limit_error',
    text: 'So much waits for the model now that the answer would begin after this client has left. Try again after the time in Retry-After, or wait longer with x-request-timeout-ms.',
  },
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    text: 'A limit of the project is reached. Try again after the time in Retry-After.',
  },
  insufficient_quota: {
    status: 429,
    type: 'insufficient_quota',
    shouldRetry: false,
    text: 'The budget of the project is spent. Ask the operator to raise max_budget, or wait until the next period begins.',
  },
  internal_error: {
    status: 500,
    type: server,
    text: 'The server failed. Try again; report the request id if the problem persists.',
  },
  no_key_pepper: {
    status: 500,
    type: server,
    shouldRetry: false,
    text: 'No key can be made: the operator has to set PENSTOCK_KEY_PEPPER (docs/keys.md).',
  },
  body_unavailable: {
    status: 500,
    type: server,
    shouldRetry: false,
    text: 'The stored body of this request could not be read. Send the request again.',
  },
  engine_error: {
    status: 502,
    type: server,
    text: 'The engine failed to answer. Try again; report the request id if the problem persists.',
  },
  stream_interrupted: {
    status: 502,
    type: server,
    text: 'The stream was interrupted and cannot be continued. Send the request again.',
  },
  attempts_exhausted: {
    status: 502,
    type: server,
    shouldRetry: false,
    text: 'Every attempt at this request failed. Do not repeat it unchanged; report the request id to the operator, who has a copy.',
  },
  broker_unavailable: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The queue is not available. The request was not accepted; try again.',
  },
  store_unavailable: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The store of requests and replies is not available. The request was not accepted; try again.',
  },
  store_full: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The store of requests and answers is nearly full, and keeps nothing new. Delete what is not needed any more, or send the request with `store` off and without asking for a job.',
  },
  workers_not_known: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The server has just started, or was cut off, and does not know yet what its workers serve. Try again after the time in Retry-After.',
  },
  keys_unavailable: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The store of API keys is not available, so the key could not be checked. Try again after the time in Retry-After.',
  },
  limits_unavailable: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The store of limits is not available, so the request could not be counted. Try again after the time in Retry-After.',
  },
  storage_busy: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The same content is being deleted. Nothing was stored; upload it again.',
  },
  storage_unavailable: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The store of large bodies is not available. The request was not accepted; try again.',
  },
  too_many_large_bodies: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The server has no memory for another large body now. Try again after the time in Retry-After.',
  },
  too_many_large_answers: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The server has no memory for another large answer now. Read answers as they come, and try again after the time in Retry-After.',
  },
  shutting_down: {
    status: 503,
    type: 'service_unavailable_error',
    text: 'The server is shutting down. Try again: another one takes the request.',
  },
  deadline_exceeded: {
    status: 504,
    type: server,
    text: 'The request was not answered within its time limit. Try again, or set a longer one with x-request-timeout-ms.',
  },
  held_too_long: {
    status: 504,
    type: server,
    shouldRetry: false,
    text: 'The server does not hold a connection open for this long. Use `stream`, `background`, or the header Prefer: respond-async.',
  },
  engine_timeout: { status: 504, type: server, text: 'The engine stopped responding. Try again.' },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

export interface DispatchErrorOptions {
  /** Replaces the table's text. Must not quote prompts or keys. */
  readonly message?: string;
  /** The request field at fault, as `messages[0].role`. */
  readonly param?: string;
  readonly cause?: unknown;
  readonly retryAfterMs?: number;
  /** Replaces the table's. */
  readonly shouldRetry?: boolean;
  /** Of the answer, beside those that say when to try again. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Pause suggested when there is no better estimate. The Node SDK ignores more than 60 s. */
const DEFAULT_RETRY_AFTER_MS = 1000;

/** A failure that is reported to the client. Distinguish failures by `code`. */
export class DispatchError extends Error {
  override readonly name = 'DispatchError';
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterMs: number | undefined;
  /** For `x-should-retry`; undefined leaves it to the SDK. */
  readonly shouldRetry: boolean | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(code: ErrorCode, options: DispatchErrorOptions = {}) {
    super(options.message ?? ERRORS[code].text, { cause: options.cause });
    this.code = code;
    this.param = options.param ?? null;
    this.shouldRetry = options.shouldRetry ?? (ERRORS[code] as ErrorSpec).shouldRetry;
    this.headers = options.headers;
    const { status } = ERRORS[code];
    const retryable = (status === 429 || status === 503) && this.shouldRetry !== false;
    this.retryAfterMs = options.retryAfterMs ?? (retryable ? DEFAULT_RETRY_AFTER_MS : undefined);
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

export interface ErrorBody {
  readonly error: { message: string; type: string; param: string | null; code: string | null };
}

/** Content type of every error, and of stored results that are JSON. */
export const JSON_CONTENT_TYPE = 'application/json; charset=utf-8';

/** OpenAI's envelope; all four keys are always there. */
export function toErrorBody(error: DispatchError): ErrorBody {
  return {
    error: { message: error.message, type: ERRORS[error.code].type, param: error.param, code: error.code },
  };
}
