/** The log of a stored run as an event stream to one reader: until the run is final or the reader gone. */
import { DispatchError, isFinalStatus, type StoredRun } from '@penstock/protocol';
import type { RunExpiry } from '@penstock/runs';
import type { RunLog } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { baseHeaders } from '../http/headers.ts';
import type { AnswerRoom } from '../sending/answer-room.ts';
import { EventStream } from '../sending/event-stream.ts';
import { followLog, type LogNews, type LogSources } from './follow-log.ts';

/** How a reader sees a run's log. */
export interface LogView {
  /** In addition to the usual headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent before the log. */
  readonly start?: string;
  /** The bytes that are sent for it; null breaks the stream off. */
  readonly render: (news: LogNews) => string | Buffer | null;
}

export class LogStreams {
  readonly #sources: LogSources;
  readonly #expiry: RunExpiry;
  readonly #room: AnswerRoom;
  readonly #keepAliveMs: number;

  constructor(sources: LogSources, expiry: RunExpiry, room: AnswerRoom, keepAliveMs: number) {
    this.#room = room;
    this.#sources = sources;
    this.#expiry = expiry;
    this.#keepAliveMs = keepAliveMs;
  }

  /** Takes the reply over. @throws DispatchError `stream_expired` if the log has expired before its run. */
  async send(
    run: StoredRun,
    request: FastifyRequest,
    reply: FastifyReply,
    { headers = {}, start = '', render }: LogView,
  ): Promise<void> {
    await assertLogKept(this.#sources.runLog, run);
    const stream = new EventStream(reply, this.#room, this.#keepAliveMs, {
      ...(reply.getHeaders() as Record<string, string>),
      ...baseHeaders(request, reply.elapsedTime),
      ...headers,
    });
    if (start !== '') await stream.write(start);
    await streamLog(this.#sources, run.id, stream, {
      render,
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
  readonly render: LogView['render'];
  /** Called about once a second while there is no news. */
  readonly onSilence: () => Promise<unknown>;
}

/** Never rejects: the headers are sent, and a connection that is not ended would stay open for ever. */
export async function streamLog(
  sources: LogSources,
  id: string,
  stream: EventStream,
  { render, onSilence }: StreamLogOptions,
): Promise<void> {
  try {
    for await (const news of followLog(sources, id)) {
      if (stream.isGone) return;
      const bytes = render(news);
      if (bytes === null) return stream.cut();
      await stream.write(bytes);
      if (news.kind === 'silence') await onSilence();
    }
    stream.end();
  } catch {
    // A reader that is cut off resumes; after a clean end it would not.
    stream.cut();
  }
}
