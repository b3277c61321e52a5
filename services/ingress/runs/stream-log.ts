/** The log of a stored run, told to one reader: until the run is final or the reader gone. */
import { DispatchError, isFinalStatus, type StoredRun } from '@penstock/protocol';
import type { RunLog } from '@penstock/transport';
import type { EventStream } from '../http/event-stream.ts';
import { type FollowDeps, followLog, type LogNews } from './follow-log.ts';

/** @throws DispatchError `stream_expired` where the run is kept longer than its log. */
export async function assertLogKept(runLog: RunLog, run: StoredRun): Promise<void> {
  if (!isFinalStatus(run.status) || run.logLength === 0) return;
  const [head] = await runLog.peek(run.id, 0, 1);
  if (head === undefined) throw new DispatchError('stream_expired');
}

export interface PourOptions {
  /** What the reader is told of the news; null breaks the stream off. */
  readonly tell: (news: LogNews) => string | Buffer | null;
  /** Called about once a second while nothing is said. */
  readonly onSilence: () => Promise<unknown>;
}

/** Never rejects: the headers are out, and a connection that nobody ends would be waited on for ever. */
export async function pourLog(
  deps: FollowDeps,
  id: string,
  stream: EventStream,
  { tell, onSilence }: PourOptions,
): Promise<void> {
  try {
    for await (const news of followLog(deps, id)) {
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
