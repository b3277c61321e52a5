/**
 * Bounds on what a bucket answers, in time and in bytes: it may be slow, never end, or be somebody else. The client of AWS has none of its own. What it says
 * of a failure is in no error here, since it may quote what it was sent.
 */
import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';

/** Nothing came or went for so long, ms. */
const IDLE_MS = 30_000;
const CONNECT_MS = 5000;
/** Until an answer begins, ms: whatever is sent with a request has to be sent by then, too. */
const BEGIN_MS = { small: 30_000, put: 600_000 } as const;
/** Of an answer that is no content, bytes: a page of a list has a thousand keys. */
const MOST_SMALL_BYTES = 4 * 1024 * 1024;
/** A content that comes more slowly, beyond the idle time, is given up; time in which nobody reads does not count. */
const LEAST_BYTES_PER_MS = 16;
const NOT_FOUND = 404;
const CODE = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** A bucket did not do what it was asked. */
export class BucketError extends Error {
  override readonly name = 'BucketError';
  /** Of its answer; null where there is none. */
  readonly status: number | null;
  readonly code = 'ERR_BUCKET';

  constructor(message: string, status: number | null) {
    super(message);
    this.status = status;
  }
}

/** Of a client's request handler. @param idleMs another one, for tests. */
export function handlerLimits(idleMs = IDLE_MS): object {
  return {
    ...{ connectionTimeout: Math.min(CONNECT_MS, idleMs), socketTimeout: idleMs },
    ...{ requestTimeout: Math.min(BEGIN_MS.small, idleMs), throwOnRequestTimeout: true },
  };
}

/** For requests that carry a content. */
export const WITH_CONTENT = { requestTimeout: BEGIN_MS.put } as const;

/** Has the client read no more of an answer than that may have. */
export function boundAnswers(client: Pick<S3Client, 'middlewareStack'>, idleMs = IDLE_MS): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async args => {
        const result = await next(args);
        const answer = result.response as { statusCode?: number; body?: unknown };
        if (!(answer.body instanceof Readable)) return result;
        const isContent = commandName === 'GetObjectCommand' && answer.statusCode === 200;
        answer.body = isContent ? paced(answer.body, idleMs) : small(answer.body, idleMs);
        return result;
      },
    // Nearest to the wire: before anything is made of the answer.
    { step: 'deserialize', priority: 'low', name: 'boundAnswers' },
  );
}

function small(source: Readable, idleMs: number): Readable {
  const late = AbortSignal.timeout(idleMs);
  const end = () => void source.destroy(new BucketError('its answer did not end in time', null));
  late.addEventListener('abort', end, { once: true });
  return Readable.from(
    (async function* () {
      let bytes = 0;
      try {
        for await (const piece of source as AsyncIterable<Buffer>) {
          bytes += piece.length;
          if (bytes > MOST_SMALL_BYTES) throw new BucketError('its answer is too long', null);
          yield piece;
        }
      } finally {
        late.removeEventListener('abort', end);
      }
    })(),
  );
}

function paced(source: Readable, idleMs: number): Readable {
  return Readable.from(
    (async function* () {
      let [bytes, waitedMs] = [0, 0];
      let from = performance.now();
      for await (const piece of source as AsyncIterable<Buffer>) {
        waitedMs += performance.now() - from;
        bytes += piece.length;
        if (waitedMs > idleMs + bytes / LEAST_BYTES_PER_MS)
          throw new BucketError('it sends a content too slowly', null);
        yield piece;
        from = performance.now();
      }
    })(),
    { objectMode: false },
  );
}

/** @throws BucketError */
export function inOurWords<T>(asked: Promise<T>): Promise<T> {
  return asked.catch((err: unknown) => {
    throw asBucketError(err);
  });
}

/** Null where it says that the thing is not there. @throws BucketError */
export async function answered<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await inOurWords(asked);
  } catch (err) {
    if ((err as BucketError).status === NOT_FOUND) return null;
    throw err;
  }
}

/** In words of ours: of what the bucket says only a status, and a code that looks like one. */
export function asBucketError(err: unknown): BucketError {
  if (err instanceof BucketError) return err;
  const {
    name,
    code,
    $metadata: meta,
  } = err as {
    readonly name?: unknown;
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = meta?.httpStatusCode ?? null;
  const [word] = [code, name].filter(each => typeof each === 'string' && CODE.test(each) && each !== 'Error');
  const said = word === undefined ? '' : ` (${String(word)})`;
  if (name === 'TimeoutError') return new BucketError('it did not answer in time', status);
  return new BucketError(
    status === null ? `it cannot be asked${said}` : `it answered ${status}${said}`,
    status,
  );
}
