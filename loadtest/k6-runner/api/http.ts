/** The module `k6/http`: asynchronous requests, and what their samples are called. */

import { classifyError, type HttpOutcome, type HttpRequest } from '../http/http-client.ts';
import { encodeBody, FileData } from '../http/request-body.ts';
import { Response, type ResponseType } from '../http/response.ts';
import { parseDuration } from '../options/duration.ts';
import type { ModuleExports } from '../script/script-host.ts';
import type { VirtualUser } from '../script/vu.ts';
import { type ExpectedStatuses, emitHttp } from './http-samples.ts';
import { refused } from './refusal.ts';

const DEFAULT_TIMEOUT_MS = 60_000;
const SYNCHRONOUS = ['get', 'head', 'post', 'put', 'patch', 'del', 'options', 'request', 'batch'];
/** Stands for a parameter in the name of a URL. */
const HOLE = '$\u007b}';
const KNOWN_PARAMS = new Set(['headers', 'tags', 'timeout', 'responseType', 'responseCallback', 'redirects']);

/** What `http.url` makes: an address with a name that does not contain its parameters. */
class NamedUrl {
  readonly url: string;
  readonly name: string;
  constructor(url: string, name: string) {
    this.url = url;
    this.name = name;
  }
}

class StatusCallback implements ExpectedStatuses {
  readonly #accepted: readonly { min: number; max: number }[];
  constructor(accepted: readonly { min: number; max: number }[]) {
    this.#accepted = accepted;
  }
  expects(status: number): boolean {
    return this.#accepted.some(({ min, max }) => status >= min && status <= max);
  }
}
const SUCCESS = new StatusCallback([{ min: 200, max: 399 }]);

export function httpModule(vu: VirtualUser): ModuleExports {
  const state: { callback: ExpectedStatuses | null } = { callback: SUCCESS };
  const synchronous = SYNCHRONOUS.map(name => [
    name,
    refused(
      vu,
      `http.${name}()`,
      'it is synchronous; write `await http.asyncRequest(method, url, body, params)`',
    ),
  ]);
  return {
    ...Object.fromEntries(synchronous),
    asyncRequest: (method: unknown, url: unknown, body?: unknown, params?: unknown) =>
      asyncRequest(vu, state.callback, method, url, body, params),
    expectedStatuses: (...accepted: unknown[]) => new StatusCallback(accepted.map(readStatus)),
    setResponseCallback: (callback: unknown) => {
      state.callback = callback === null ? null : statusCallback(callback);
    },
    file: (data: string | ArrayBuffer, filename?: string, contentType?: string) =>
      new FileData(data, filename, contentType),
    url: (strings: readonly string[], ...values: unknown[]) =>
      new NamedUrl(String.raw({ raw: strings }, ...values), strings.join(HOLE)),
    cookieJar: refused(vu, 'http.cookieJar()'),
    CookieJar: refused(vu, 'http.CookieJar'),
    ...constants(),
  };
}

function readStatus(status: unknown): { min: number; max: number } {
  if (typeof status === 'number') return { min: status, max: status };
  const range = status as { min?: unknown; max?: unknown } | null;
  if (typeof range?.min === 'number' && typeof range.max === 'number') {
    return { min: range.min, max: range.max };
  }
  throw new TypeError('expectedStatuses() takes numbers and {min, max}');
}

function statusCallback(callback: unknown): StatusCallback {
  if (callback instanceof StatusCallback) return callback;
  throw new TypeError('a response callback is made by http.expectedStatuses()');
}

interface Call {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly type: ResponseType;
  readonly callback: ExpectedStatuses | null;
  redirectsLeft: number;
}

async function asyncRequest(
  vu: VirtualUser,
  fallback: ExpectedStatuses | null,
  method: unknown,
  url: unknown,
  body: unknown,
  params: unknown,
): Promise<Response> {
  if (vu.initialising) throw new Error('requests are not possible in the init context');
  const settings = (params ?? {}) as Record<string, unknown>;
  for (const name in settings) {
    if (!KNOWN_PARAMS.has(name)) refused(vu, `http.asyncRequest() parameter '${name}'`)();
  }
  const { options } = vu.run;
  const type = responseType(settings['responseType'], options.discardResponseBodies);
  const address = url instanceof NamedUrl ? url : new NamedUrl(String(url), String(url));
  const call: Call = {
    name: address.name,
    tags: readTags(settings['tags']),
    type,
    callback: callbackOf(settings, fallback),
    redirectsLeft: typeof settings['redirects'] === 'number' ? settings['redirects'] : options.maxRedirects,
  };
  const request = buildRequest(
    vu,
    String(method).toUpperCase(),
    address.url,
    body,
    settings,
    type !== 'none',
  );
  return follow(vu, call, request);
}

function callbackOf(settings: Record<string, unknown>, fallback: ExpectedStatuses | null) {
  const own = settings['responseCallback'];
  if (own === undefined) return fallback;
  return own === null ? null : statusCallback(own);
}

function readTags(tags: unknown): Record<string, string> | undefined {
  if (tags === undefined || tags === null) return undefined;
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(tags)) texts[name] = String(value);
  return texts;
}

function responseType(type: unknown, discard: boolean): ResponseType {
  if (type === undefined || type === null) return discard ? 'none' : 'text';
  if (type === 'text' || type === 'binary' || type === 'none') return type;
  throw new TypeError(`'${String(type)}' is no responseType`);
}

function buildRequest(
  vu: VirtualUser,
  method: string,
  url: string,
  body: unknown,
  settings: Record<string, unknown>,
  keepBody: boolean,
): HttpRequest {
  if (/^https?:\/\/[^/?#]*@/i.test(url))
    refused(vu, 'a user name in a URL', 'send an authorization header instead')();
  const { origin, path } = parseUrl(url);
  const headers: Record<string, string> = {};
  let hasType = false;
  let hasAgent = false;
  for (const [name, value] of Object.entries((settings['headers'] ?? {}) as Record<string, unknown>)) {
    headers[name] = String(value);
    const lower = name.toLowerCase();
    hasType ||= lower === 'content-type';
    hasAgent ||= lower === 'user-agent';
  }
  const encoded = encodeBody(body);
  if (!hasType && encoded.contentType !== null) headers['Content-Type'] = encoded.contentType;
  if (!hasAgent) headers['User-Agent'] = vu.run.options.userAgent;
  const timeout = settings['timeout'];
  const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout as string | number);
  return { method, origin, path, headers, body: encoded.body, timeoutMs, keepBody };
}

const parsed = new Map<string, { origin: string; path: string }>();
const MAX_PARSED = 1000;

/** @throws TypeError when it is no http(s) address. */
function parseUrl(url: string): { origin: string; path: string } {
  const known = parsed.get(url);
  if (known !== undefined) return known;
  if (!URL.canParse(url) || !/^https?:/i.test(url)) throw new TypeError(`'${url}' is no http(s) URL`);
  const { origin, pathname, search } = new URL(url);
  if (parsed.size >= MAX_PARSED) parsed.clear();
  const parts = { origin, path: pathname + search };
  parsed.set(url, parts);
  return parts;
}

/** Sends, follows redirects, and measures each hop. Never settles when the iteration is interrupted. */
function follow(vu: VirtualUser, call: Call, request: HttpRequest): Promise<Response> {
  return new Promise((resolve, reject) => {
    let giveUp = (): void => {};
    const cancel = () => giveUp();
    vu.begin(cancel);
    const send = (current: HttpRequest) => {
      giveUp = vu.run.http.send(current, outcome => {
        const next = redirected(current, outcome, call.redirectsLeft);
        const callback = next === null ? call.callback : SUCCESS;
        emitHttp(vu, current, outcome, { name: call.name, tags: call.tags, callback });
        if (next !== null) {
          call.redirectsLeft--;
          send(next);
          return;
        }
        if (!vu.end(cancel)) return;
        settle(vu, call, current, outcome, resolve, reject);
      });
    };
    send(request);
  });
}

function settle(
  vu: VirtualUser,
  call: Call,
  request: HttpRequest,
  outcome: HttpOutcome,
  resolve: (response: Response) => void,
  reject: (error: Error) => void,
): void {
  const { log, options } = vu.run;
  if (outcome.headers['set-cookie'] !== undefined) {
    log.once('WARN', `${request.origin} sets cookies; this runner keeps none`);
  }
  if (outcome.error !== null) {
    const { message } = classifyError(outcome.error);
    const text = `request failed: ${request.method} ${request.origin}: ${message}`;
    if (options.throwOnError) {
      reject(new Error(text));
      return;
    }
    log.once('WARN', text);
  }
  resolve(new Response(outcome, request, call.type, vu.refuse));
}

function redirected(request: HttpRequest, outcome: HttpOutcome, left: number): HttpRequest | null {
  const { location } = outcome.headers;
  if (left <= 0 || outcome.status < 300 || outcome.status > 399 || typeof location !== 'string') return null;
  const keepsMethod = outcome.status === 307 || outcome.status === 308 || request.method === 'HEAD';
  const target = new URL(location, request.origin + request.path);
  const abroad = target.hostname !== new URL(request.origin).hostname;
  return {
    ...request,
    headers: abroad ? withoutSecrets(request.headers) : request.headers,
    method: keepsMethod ? request.method : 'GET',
    body: keepsMethod ? request.body : null,
    origin: target.origin,
    path: target.pathname + target.search,
  };
}

/** What is meant for one host is not sent on to another. */
function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)),
  );
}

function constants(): Record<string, string> {
  const versions = { SSL_3_0: 'ssl3.0', TLS_1_0: 'tls1.0', TLS_1_1: 'tls1.1', TLS_1_2: 'tls1.2' };
  return { ...versions, TLS_1_3: 'tls1.3' };
}
