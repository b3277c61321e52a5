/** What has to be looked after by and by: files whose time is over, batches nobody works on, what dead processes left. */
import type { Logger } from '@penstock/runtime';
import type { BatchJobs, FileContents, FileLibrary, TaskRecords } from '@penstock/transport';

const EVERY_MS = 30_000;
/** Files forgotten in one go. */
const MOST = 1000;

export interface SweeperOptions {
  readonly records: TaskRecords;
  readonly contents: FileContents;
  readonly library: FileLibrary;
  readonly jobs: BatchJobs;
  readonly log: Logger;
}

/** Sweeps now and every half minute; several processes may. @returns a function that stops it. */
export function startSweeping(options: SweeperOptions): () => void {
  const sweepOnce = () =>
    sweep(options).catch((err: Error) => options.log.warn({ err: err.message }, 'sweep failed'));
  void sweepOnce();
  const timer = setInterval(() => void sweepOnce(), EVERY_MS);
  return () => clearInterval(timer);
}

export async function sweep({ records, contents, library, jobs, log }: SweeperOptions): Promise<void> {
  for (const id of await records.endedFiles(Math.floor(Date.now() / 1000), MOST)) {
    const file = await records.file(id);
    if (file !== null) await library.remove(file);
    log.info({ file: id }, 'file expired');
  }
  // One whose job is there already is not added again.
  for (const id of await records.openBatches()) await jobs.add(id);
  await contents.tidy();
}
