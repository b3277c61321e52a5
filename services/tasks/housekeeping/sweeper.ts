/** Housekeeping at intervals: removes expired files, queues batches whose job was lost, and tidies what dead processes left. */
import type { Clock, Logger } from '@penstock/runtime';
import type { BatchJobs, FileContents, FileLibrary, TaskRecords } from '@penstock/transport';

const EVERY_MS = 30_000;
/** Files removed in one sweep, at most. */
const MOST_FILES = 1000;

/** Is told what housekeeping did. */
export interface HousekeepingObserver {
  removed(what: 'file' | 'body' | 'overdue_run' | 'undelivered_message' | 'lost_run'): void;
  /** It will be tried again. */
  failed(what: 'files' | 'bodies' | 'deadlines' | 'queues' | 'undelivered' | 'stranded' | 'runs'): void;
}

export interface SweeperOptions {
  readonly records: TaskRecords;
  readonly contents: FileContents;
  readonly library: FileLibrary;
  readonly jobs: BatchJobs;
  readonly watch: HousekeepingObserver;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Sweeps now and every half minute; several processes may. @returns a function that stops it. */
export function startSweeping(options: SweeperOptions): () => void {
  const sweepOnce = () =>
    sweep(options).catch((err: Error) => {
      options.watch.failed('files');
      options.log.warn({ err }, 'sweep failed');
    });
  void sweepOnce();
  const timer = setInterval(() => void sweepOnce(), EVERY_MS);
  return () => clearInterval(timer);
}

export async function sweep({
  records,
  contents,
  library,
  jobs,
  watch,
  clock,
  log,
}: SweeperOptions): Promise<void> {
  for (const id of await records.endedFiles(Math.floor(clock.now() / 1000), MOST_FILES)) {
    const file = await records.file(id);
    if (file !== null) await library.remove(file);
    watch.removed('file');
    log.info({ file: id }, 'file expired');
  }
  // Adding a job that is there already changes nothing.
  for (const id of await records.openBatches()) await jobs.add(id);
  await contents.tidy();
}
