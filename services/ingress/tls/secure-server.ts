/**
 * The HTTPS server: HTTP/1.1 and HTTP/2 on one port, whichever the client offers (ALPN). What lies behind knows of HTTP/1.1 alone: a request
 * and an answer of HTTP/2 are made to look like those here.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  Http2ServerRequest,
  Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';

/** Requests at once on one connection, as many as proxies send. */
const MOST_STREAMS = 256;
/** Of a body that is not read yet so much may come on its stream: memory is bounded by this times {@link MOST_STREAMS}. */
const STREAM_WINDOW_BYTES = 256 * 1024;
/** … and on its connection before it is acknowledged, whatever is read. */
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
/** Of answers that clients have yet to take a connection holds so much before it takes no new request, MB: beyond what one slow reader is allowed. */
const SESSION_MEMORY_MB = 64;
/** The highest number that a stream may have: in a GOAWAY it says that none is refused yet. */
const ANY_STREAM = 2 ** 31 - 1;

export interface SecureServerTimes {
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
}

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Counts what one answer's own client has taken: the connection carries others, too. */
class Answer extends Http2ServerResponse {
  writtenBytes = 0;

  get takenBytes(): number {
    return this.writtenBytes - this.writableLength;
  }

  override write(chunk: string | Uint8Array, ...rest: never[]): boolean {
    this.writtenBytes += typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length;
    return super.write(chunk, ...rest);
  }

  /** Breaks it off as HTTP/2 says it: without a code, some clients take what came for the whole. */
  override destroy(error?: Error): this {
    const { stream } = this;
    if (!this.destroyed && !stream.writableFinished) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return super.destroy(error);
  }
}

/** What Node's own has not, or says of a client that left, too. */
Object.defineProperties(Answer.prototype, {
  destroyed: {
    get(this: Answer): boolean {
      return this.stream.destroyed || this.stream.closed;
    },
  },
  writableFinished: {
    get(this: Answer): boolean {
      const { writableFinished, rstCode } = this.stream;
      return (
        this.writableEnded &&
        writableFinished &&
        (rstCode ?? constants.NGHTTP2_NO_ERROR) === constants.NGHTTP2_NO_ERROR
      );
    },
  },
});

class Request extends Http2ServerRequest {
  readBytes = 0;

  /** Node joins what a client sent twice; nothing of it tells that it did but the headers as they came. */
  get headersDistinct(): NodeJS.Dict<string[]> {
    const all: NodeJS.Dict<string[]> = {};
    for (let at = 0; at < this.rawHeaders.length; at += 2) {
      const name = this.rawHeaders[at]?.toLowerCase() ?? '';
      all[name] = [...(all[name] ?? []), this.rawHeaders[at + 1] ?? ''];
    }
    return all;
  }

  override push(chunk: Uint8Array | null, encoding?: BufferEncoding): boolean {
    this.readBytes += chunk?.length ?? 0;
    return super.push(chunk, encoding);
  }
}

export class SecureServer {
  /** Typed as what the framework and everything behind it knows. */
  readonly server: Server;
  readonly #server: Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  #isLeaving = false;

  constructor(
    pair: Pair,
    times: SecureServerTimes,
    handler: (request: IncomingMessage, response: ServerResponse) => void,
  ) {
    const options = {
      ...pair,
      allowHTTP1: true,
      // Node's own default, said here so that no option of the command line lowers it.
      minVersion: 'TLSv1.2',
      settings: { maxConcurrentStreams: MOST_STREAMS, initialWindowSize: STREAM_WINDOW_BYTES },
      maxSessionMemory: SESSION_MEMORY_MB,
      ...{ Http2ServerRequest: Request, Http2ServerResponse: Answer },
      // Of HTTP/1.1.
      ...{ requestTimeout: times.requestTimeoutMs, keepAliveTimeout: times.keepAliveTimeoutMs },
    };
    this.#server = createSecureServer(options as never);
    this.#server.on('request', handler as never);
    this.#server.on('session', session => this.#follow(session, times.keepAliveTimeoutMs));
    this.server = this.#server as unknown as Server;
  }

  /** Connections from now on get this certificate; those that there are go on. @throws where the two do not belong together. */
  use(pair: Pair): void {
    this.#server.setSecureContext(pair);
  }

  /** From now on each client of HTTP/2 is told to send its next request by another connection. All that were sent are answered. */
  leave(): void {
    this.#isLeaving = true;
    for (const session of this.#sessions) sayGoodbye(session);
  }

  #follow(session: ServerHttp2Session, idleMs: number): void {
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    // What is open is answered; an idle one ends.
    session.setTimeout(idleMs, () => session.close());
    if (this.#isLeaving) session.once('stream', () => sayGoodbye(session));
  }
}

function sayGoodbye(session: ServerHttp2Session): void {
  if (!session.destroyed && !session.closed) session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
}

/** What the client of one answer has taken of it; null where that is what its connection has. */
export function takenOf(raw: ServerResponse): number | null {
  return (raw as unknown) instanceof Answer ? (raw as unknown as Answer).takenBytes : null;
}

/** Bytes of a request and its answer alone; null where they are what its connection had. */
export function bytesOf(
  request: IncomingMessage,
  raw: ServerResponse,
): { readonly bytesIn: number; readonly bytesOut: number } | null {
  const [asked, answered] = [request as unknown, raw as unknown];
  if (!(asked instanceof Request && answered instanceof Answer)) return null;
  return { bytesIn: asked.readBytes, bytesOut: answered.writtenBytes };
}
