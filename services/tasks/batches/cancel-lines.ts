/** Stops what is left of a batch that was cancelled, or whose time is over. */
import { type BatchRecord, isFinalStatus, lineRunId } from '@penstock/protocol';
import type { RunCanceller } from '@penstock/runs';
import type { RunStore } from '@penstock/transport';
import type { InputLine } from './input-lines.ts';

const CHUNK = 500;

export interface CancelLinesOptions {
  readonly batch: Pick<BatchRecord, 'id' | 'tenant'>;
  /** The lines of the input file. */
  readonly lines: () => AsyncIterable<InputLine>;
  readonly runs: Pick<RunStore, 'progress'>;
  readonly canceller: Pick<RunCanceller, 'cancelLine'>;
}

/** Every line that is not final, also those that an earlier process queued. */
export async function cancelLines(options: CancelLinesOptions): Promise<void> {
  let ids: string[] = [];
  for await (const { number } of options.lines()) {
    if (ids.push(lineRunId(options.batch.id, number)) < CHUNK) continue;
    await cancel(options, ids);
    ids = [];
  }
  await cancel(options, ids);
}

async function cancel({ runs, canceller, batch }: CancelLinesOptions, ids: readonly string[]): Promise<void> {
  const progress = await runs.progress(ids);
  const open = ids.filter((_, i) => {
    const found = progress[i] ?? null;
    return found !== null && !isFinalStatus(found.status);
  });
  await Promise.all(open.map(id => canceller.cancelLine(id, batch.tenant)));
}
