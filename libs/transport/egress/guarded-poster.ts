/**
 * Posts to URLs that clients named: to checked addresses only, without following redirects, within one time limit for
 * everything, and using nothing of the answer but its status. Each attempt has a connection of its own: a hostile server could
 * desynchronize a kept one, which would also outlive the check of its address.
 */
import { buildConnector, Client } from '../http/undici-core.ts';
import type { Poster, PostOutcome, UnansweredReason } from '../ports/webhooks/poster.ts';
import {
  type Address,
  type AllowList,
  checkEgressUrl,
  EgressRefused,
  type Resolve,
  resolveEgress,
} from './egress-guard.ts';

/** Most bytes of the answer's body that are read. */
const MAX_BODY_BYTES = 20 * 1024;
/** A body that takes longer is not waited for: the status is enough, ms. */
const BODY_LIMIT_MS = 2000;
const MAX_HEADER_BYTES = 8192;

export interface GuardedPosterOptions {
  readonly allow: AllowList;
  /** Limit of an attempt, from name resolution to the answer's status, ms. */
  readonly timeoutMs: number;
  /** The system's resolver when absent. */
  readonly resolve?: Resolve;
}

export class GuardedPoster implements Poster {
  readonly #o: GuardedPosterOptions;

  constructor(options: GuardedPosterOptions) {
    this.#o = options;
  }

  async post(
    text: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    stop?: AbortSignal,
  ): Promise<PostOutcome> {
    const limit = AbortSignal.timeout(this.#o.timeoutMs);
    const signal = stop === undefined ? limit : AbortSignal.any([limit, stop]);
    let client: Client | null = null;
    try {
      const url = checkEgressUrl(text, this.#o.allow);
      const addresses = await unlessAborted(signal, resolveEgress(url, this.#o.allow, this.#o.resolve));
      client = connectTo(url, addresses, this.#o.timeoutMs);
      const path = url.pathname + url.search;
      const answer = await client.request({ method: 'POST', path, headers, body, signal });
      await drain(answer.body);
      const { statusCode: status, headers: said } = answer;
      return { kind: 'answered', status, retryAfter: timeIn(said['retry-after']) };
    } catch (err) {
      return { kind: 'unanswered', reason: signal.aborted ? 'timeout' : reasonOf(err) };
    } finally {
      client?.destroy().catch(() => {});
    }
  }
}

/** Host header and TLS keep the name; only its resolution is replaced. */
function connectTo(url: URL, addresses: readonly Address[], timeoutMs: number): Client {
  const first = addresses[0];
  const lookup = (
    _host: string,
    options: { all?: boolean | undefined },
    done: (err: Error | null, found: string | Address[], family?: number) => void,
  ) => (options.all ? done(null, [...addresses]) : done(null, first?.address ?? '', first?.family));
  const connector = buildConnector({
    allowH2: false,
    timeout: timeoutMs,
    maxCachedSessions: 0,
    lookup: lookup as never,
  });
  return new Client(url.origin, {
    connect: connector,
    pipelining: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeoutMs,
    bodyTimeout: BODY_LIMIT_MS,
  });
}

async function drain(body: AsyncIterable<Buffer>): Promise<void> {
  const end = performance.now() + BODY_LIMIT_MS;
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES || performance.now() > end) return;
    }
  } catch {
    // The status is known: how the body ended changes nothing.
  }
}

/** Seconds, or a date of HTTP. Anything else may be what was sent, which the answer is kept without. */
const TIME = /^\s*(\d{1,9}|[A-Za-z]{3,9},? [\w -]{1,20} \d\d:\d\d:\d\d( GMT| \d{4})?)\s*$/;

function timeIn(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && TIME.test(header) ? header : null;
}

function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}

const BY_CODE: Record<string, UnansweredReason> = {
  ECONNREFUSED: 'connection_refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENOTFOUND: 'name_not_found',
  EAI_AGAIN: 'name_not_found',
  ECONNRESET: 'connection_lost',
  EPIPE: 'connection_lost',
  UND_ERR_SOCKET: 'connection_lost',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  ETIMEDOUT: 'timeout',
};
const TLS_CODES = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/;

function reasonOf(err: unknown): UnansweredReason {
  if (err instanceof EgressRefused) return 'address_refused';
  const { code = '' } = err as { code?: string };
  if (TLS_CODES.test(code)) return 'tls_failed';
  return BY_CODE[code] ?? 'request_failed';
}
