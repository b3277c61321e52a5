/**
 * Sends requests and times them. Below it is undici's `dispatch`, one client per connection: its stream and promise forms
 * cost twice the CPU, and with the connection known its handshake and its bytes can be accounted to the request.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { buildConnector, Client, type Dispatcher } from 'undici';
import { StreamTiming } from './stream-timing.ts';

export interface HttpRequest {
  readonly method: string;
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | Buffer | null;
  readonly timeoutMs: number;
  /** Whether to keep the body. */
  readonly keepBody: boolean;
}

/** In ms; as k6 defines them, except that `connecting` includes the TLS handshake. */
export interface Timings {
  readonly blocked: number;
  readonly connecting: number;
  readonly tls_handshaking: number;
  readonly sending: number;
  readonly waiting: number;
  readonly receiving: number;
  /** sending + waiting + receiving. */
  readonly duration: number;
}

export interface HttpOutcome {
  /** 0 when no answer came. */
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer | null;
  readonly timings: Timings;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly error: Error | null;
  /** Null unless the answer was an event stream. */
  readonly stream: StreamTiming | null;
  /** Monotonic ms at which the request was written; token times count from here. */
  readonly sentAt: number;
  readonly remoteIp: string;
  readonly remotePort: number;
}

export interface HttpClientOptions {
  readonly insecureSkipTLSVerify: boolean;
  readonly noConnectionReuse: boolean;
}

class TimeoutError extends Error {}

const now = () => performance.now();
const EMPTY = Buffer.alloc(0);

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #idle = new Map<string, Connection[]>();
  readonly #all = new Set<Connection>();

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /** @returns what gives the request up: nothing is reported after it. */
  send(request: HttpRequest, done: (outcome: HttpOutcome) => void): () => void {
    const connection = this.#take(request.origin);
    const exchange = new Exchange(request, connection, outcome => {
      if (outcome.error !== null || this.#options.noConnectionReuse) this.#discard(connection);
      else this.#idle.get(request.origin)?.push(connection);
      done(outcome);
    });
    exchange.start();
    return () => {
      exchange.abandon();
      this.#discard(connection);
    };
  }

  async close(): Promise<void> {
    const all = [...this.#all];
    this.#all.clear();
    this.#idle.clear();
    await Promise.all(all.map(connection => connection.client.destroy()));
  }

  /** The connection used last comes first, so that a fall in load lets the others go. */
  #take(origin: string): Connection {
    let idle = this.#idle.get(origin);
    if (idle === undefined) {
      idle = [];
      this.#idle.set(origin, idle);
    }
    const connection = idle.pop() ?? new Connection(origin, !this.#options.insecureSkipTLSVerify);
    this.#all.add(connection);
    return connection;
  }

  #discard(connection: Connection): void {
    this.#all.delete(connection);
    void connection.client.destroy().catch(() => {});
  }
}

class Connection {
  readonly client: Client;
  socket: Socket | null = null;
  /** Of the latest handshake. */
  connectMs = 0;
  /** How often it connected: a server may have closed it in between. */
  connects = 0;

  constructor(origin: string, verify: boolean) {
    const connect = buildConnector({ rejectUnauthorized: verify, timeout: 0 });
    this.client = new Client(origin, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (options, callback) => {
        const startedAt = now();
        connect(options, (...result) => {
          this.connectMs = now() - startedAt;
          this.connects++;
          this.socket = result[1];
          callback(...result);
        });
      },
    });
  }
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #connection: Connection;
  readonly #done: (outcome: HttpOutcome) => void;
  readonly #queuedAt = now();
  readonly #connects: number;
  #timer: NodeJS.Timeout | null = null;
  #over = false;
  #startedAt = 0;
  #sentAt = 0;
  #firstByteAt = 0;
  #status = 0;
  #statusText = '';
  #headers: IncomingHttpHeaders = {};
  #stream: StreamTiming | null = null;
  #chunks: Buffer[] = [];
  #sentBefore = 0;
  #receivedBefore = 0;

  constructor(request: HttpRequest, connection: Connection, done: (outcome: HttpOutcome) => void) {
    this.#request = request;
    this.#connection = connection;
    this.#connects = connection.connects;
    this.#done = done;
  }

  start(): void {
    const { method, path, headers, body, timeoutMs } = this.#request;
    if (timeoutMs > 0 && timeoutMs < 2 ** 31) {
      this.#timer = setTimeout(() => this.#finish(new TimeoutError('request timeout')), timeoutMs);
    }
    try {
      this.#connection.client.dispatch({ path, method, headers, body }, this);
    } catch (error) {
      this.#finish(error as Error);
    }
  }

  abandon(): void {
    this.#over = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  onRequestStart(): void {
    this.#startedAt = now();
    const { socket, connects } = this.#connection;
    // A new connection's first request also answers for the bytes of its handshake.
    if (socket === null || connects !== this.#connects) return;
    this.#sentBefore = socket.bytesWritten;
    this.#receivedBefore = socket.bytesRead;
  }

  onRequestSent(): void {
    this.#sentAt = now();
  }

  onResponseStart(_: unknown, status: number, headers: IncomingHttpHeaders, statusText = ''): void {
    if (status < 200) return;
    this.#firstByteAt = now();
    this.#status = status;
    this.#headers = headers;
    this.#statusText = statusText;
    if (String(headers['content-type'] ?? '').startsWith('text/event-stream'))
      this.#stream = new StreamTiming();
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    this.#stream?.read(chunk, now());
    if (this.#request.keepBody) this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#finish(null);
  }

  onResponseError(_: unknown, error: Error): void {
    this.#finish(error);
  }

  #finish(error: Error | null): void {
    if (this.#over) return;
    this.abandon();
    const { socket } = this.#connection;
    const timings = this.#timings(now());
    const chunks = this.#chunks;
    this.#done({
      status: error === null ? this.#status : 0,
      statusText: this.#statusText,
      headers: this.#headers,
      body: this.#request.keepBody ? joined(chunks) : null,
      timings,
      bytesSent: Math.max(0, (socket?.bytesWritten ?? 0) - this.#sentBefore),
      bytesReceived: Math.max(0, (socket?.bytesRead ?? 0) - this.#receivedBefore),
      error,
      stream: this.#stream,
      sentAt: this.#sentAt || this.#startedAt,
      remoteIp: socket?.remoteAddress ?? '',
      remotePort: socket?.remotePort ?? 0,
    });
  }

  #timings(endedAt: number): Timings {
    const startedAt = this.#startedAt || endedAt;
    const sentAt = this.#sentAt || startedAt;
    const firstByteAt = this.#firstByteAt || endedAt;
    const connecting = this.#connection.connects === this.#connects ? 0 : this.#connection.connectMs;
    return {
      blocked: startedAt - this.#queuedAt,
      connecting,
      tls_handshaking: 0,
      sending: sentAt - startedAt,
      waiting: Math.max(0, firstByteAt - sentAt),
      receiving: endedAt - Math.max(firstByteAt, sentAt),
      duration: endedAt - startedAt,
    };
  }
}

function joined(chunks: Buffer[]): Buffer {
  const [only] = chunks;
  if (only === undefined) return EMPTY;
  return chunks.length === 1 ? only : Buffer.concat(chunks);
}

/** k6's documented error codes, and a text without addresses that differ from request to request. */
export function classifyError(error: Error): { code: number; message: string } {
  if (error instanceof TimeoutError) return { code: 1050, message: error.message };
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  const known = ERROR_CODES[code];
  if (known !== undefined) return { code: known[0], message: known[1] };
  if (/^(CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) {
    // OpenSSL's own text has addresses and file names around its reason.
    const { reason = error.message } = error as { reason?: string };
    return { code: TLS_ERROR, message: `tls: ${reason}` };
  }
  return { code: 1000, message: error.message };
}

export const TLS_ERROR = 1310;
const ERROR_CODES: Readonly<Record<string, readonly [number, string]>> = {
  ENOTFOUND: [1101, 'lookup: no such host'],
  EAI_AGAIN: [1101, 'lookup: no such host'],
  EPIPE: [1201, 'write: broken pipe'],
  ETIMEDOUT: [1211, 'dial: i/o timeout'],
  UND_ERR_CONNECT_TIMEOUT: [1211, 'dial: i/o timeout'],
  ECONNREFUSED: [1212, 'dial: connection refused'],
  EHOSTUNREACH: [1213, 'dial: no route to host'],
  ENETUNREACH: [1213, 'dial: network is unreachable'],
  ECONNRESET: [1220, 'connection reset by peer'],
  UND_ERR_SOCKET: [1220, 'connection closed by peer'],
};
