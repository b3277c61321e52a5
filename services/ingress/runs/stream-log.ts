/** The log of a stored run as an event stream to one reader: until the run is final or the reader gone. */
import { DispatchError, isFinalStatus, type StoredRun } from '@penstock/protocol';
import type { RunExpiry } from '@penstock/runs';
import type { RunLog } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStream } from '../http/event-stream.ts';
import { baseHeaders } from '../http/headers.ts';
import { followLog, type LogNews, type LogSources } from './follow-log.ts';

/** How a run is told to a reader of its log. */
export interface LogTelling {
  /** Beside the usual ones. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Told before anything of the log. */
  readonly start?: string;
  /** What the reader is told of the news; null breaks the stream off. */
  readonly tell: (news: LogNews) => string | Buffer | null;
}

export class LogStreams {
  readonly #sources: LogSources;
  readonly #expiry: RunExpiry;
  readonly #keepAliveMs: number;

  constructor(sources: LogSources, expiry: RunExpiry, keepAliveMs: number) {
    this.#sources = sources;
    this.#expiry = expiry;
    this.#keepAliveMs = keepAliveMs;
  }

  /** Takes the reply over. @throws DispatchError `stream_expired` where the run is kept longer than its log. */
  async send(
    run: StoredRun,
    request: FastifyRequest,
    reply: FastifyReply,
    { headers = {}, start = '', tell }: LogTelling,
  ): Promise<void> {
    await assertLogKept(this.#sources.runLog, run);
    const stream = new EventStream(reply, this.#keepAliveMs, {
      ...(reply.getHeaders() as Record<string, string>),
      ...baseHeaders(request.id, Date.now()),
      ...headers,
    });
    if (start !== '') await stream.write(start);
    await streamLog(this.#sources, run.id, stream, {
      tell,
      onSilence: () => this.#expiry.look(run),
    });
  }
}

async function assertLogKept(runLog: RunLog, run: StoredRun): Promise<void> {
  if (!isFinalStatus(run.status) || run.logLength === 0) return;
  const [head] = await runLog.peek(run.id, 0, 1);
  if (head === undefined) throw new DispatchError('stream_expired');
}

export interface StreamLogOptions {
  readonly tell: LogTelling['tell'];
  /** Called about once a second while nothing is said. */
  readonly onSilence: () => Promise<unknown>;
}

/** Never rejects: the headers are out, and a connection that nobody ends would be waited on for ever. */
export async function streamLog(
  sources: LogSources,
  id: string,
  stream: EventStream,
  { tell, onSilence }: StreamLogOptions,
): Promise<void> {
  try {
    for await (const news of followLog(sources, id)) {
      if (stream.isGone) return;
      const told = tell(news);
      if (told === null) return stream.cut();
      await stream.write(told);
      if (news.kind === 'silence') await onSilence();
    }
    stream.end();
  } catch {
    // A reader who is cut off comes back to where it was; one who hears a clean end does not.
    stream.cut();
  }
}
