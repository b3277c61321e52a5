/** The response object that scripts get. What costs time is made when it is asked for. */
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { UnsupportedApi } from '../outcome/failure.ts';
import { classifyError, type HttpOutcome, type HttpRequest, type Timings } from './http-client.ts';

export type ResponseType = 'text' | 'binary' | 'none';

export class Response {
  readonly url: string;
  readonly status: number;
  readonly status_text: string;
  readonly timings: Timings;
  readonly error: string;
  readonly error_code: number;
  readonly proto = 'HTTP/1.1';
  readonly remote_ip: string;
  readonly remote_port: number;
  readonly #outcome: HttpOutcome;
  readonly #request: HttpRequest;
  readonly #type: ResponseType;
  readonly #refuse: (failure: UnsupportedApi) => void;
  #body: string | ArrayBuffer | null | undefined;
  #headers: Record<string, string> | undefined;

  constructor(
    outcome: HttpOutcome,
    request: HttpRequest,
    type: ResponseType,
    refuse: (failure: UnsupportedApi) => void,
  ) {
    this.#outcome = outcome;
    this.#request = request;
    this.#type = type;
    this.#refuse = refuse;
    const failed = outcome.error === null ? null : classifyError(outcome.error);
    this.url = request.origin + request.path;
    this.status = outcome.status;
    this.status_text = outcome.status === 0 ? '' : `${outcome.status} ${outcome.statusText}`.trim();
    this.timings = outcome.timings;
    this.error = failed?.message ?? '';
    this.error_code = failed?.code ?? (outcome.status >= 400 ? 1000 + outcome.status : 0);
    this.remote_ip = outcome.remoteIp;
    this.remote_port = outcome.remotePort;
  }

  /** With names as Go writes them: `Content-Type`, `X-Request-Id`. */
  get headers(): Record<string, string> {
    this.#headers ??= Object.fromEntries(
      Object.entries(this.#outcome.headers).map(([name, value]) => [
        canonicalName(name),
        Array.isArray(value) ? value.join(', ') : String(value),
      ]),
    );
    return this.#headers;
  }

  get body(): string | ArrayBuffer | null {
    if (this.#body === undefined) this.#body = this.#readBody();
    return this.#body;
  }

  get request() {
    const { method, origin, path, headers, body } = this.#request;
    return {
      method,
      url: origin + path,
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [canonicalName(name), [value]]),
      ),
      body: body === null ? '' : String(body),
      cookies: {},
    };
  }

  /** @param selector a path of names and indexes, such as `choices.0.message.content`. */
  json(selector?: string): unknown {
    const { body } = this;
    if (body === null) throw new TypeError('the body is null: it was discarded, or no answer came');
    const text = typeof body === 'string' ? body : Buffer.from(body).toString();
    const whole: unknown = JSON.parse(text);
    return selector === undefined ? whole : this.#select(whole, selector);
  }

  get cookies(): never {
    return this.#unsupported('cookies');
  }
  html(): never {
    return this.#unsupported('html()');
  }
  submitForm(): never {
    return this.#unsupported('submitForm()');
  }
  clickLink(): never {
    return this.#unsupported('clickLink()');
  }
  get ocsp(): never {
    return this.#unsupported('ocsp');
  }
  get tls_version(): never {
    return this.#unsupported('tls_version');
  }
  get tls_cipher_suite(): never {
    return this.#unsupported('tls_cipher_suite');
  }

  #select(whole: unknown, selector: string): unknown {
    if (!/^[\w$-]+(\.[\w$-]+)*$/.test(selector)) {
      return this.#unsupported(`json('${selector}')`);
    }
    let value: unknown = whole;
    for (const name of selector.split('.')) {
      if (typeof value !== 'object' || value === null) return undefined;
      value = (value as Record<string, unknown>)[name];
    }
    return value;
  }

  #unsupported(name: string): never {
    const failure = new UnsupportedApi(`Response.${name}`);
    this.#refuse(failure);
    throw failure;
  }

  #readBody(): string | ArrayBuffer | null {
    const { body, headers, error } = this.#outcome;
    if (body === null || error !== null || this.#type === 'none') return null;
    const plain = decoded(body, String(headers['content-encoding'] ?? ''));
    if (this.#type === 'text') return plain.toString();
    const copy = new ArrayBuffer(plain.length);
    plain.copy(new Uint8Array(copy));
    return copy;
  }
}

function decoded(body: Buffer, encodings: string): Buffer {
  let plain = body;
  for (const encoding of encodings.split(',').reverse()) {
    const name = encoding.trim().toLowerCase();
    if (name === 'gzip') plain = gunzipSync(plain);
    else if (name === 'deflate') plain = inflateSync(plain);
    else if (name === 'br') plain = brotliDecompressSync(plain);
    else if (name === 'zstd') plain = zstdDecompressSync(plain);
  }
  return plain;
}

function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, letter => letter.toUpperCase());
}
