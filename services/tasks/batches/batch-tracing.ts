/** The spans of batches and of their lines. */
import type { BatchRecord, WorkMeta } from '@penstock/protocol';
import { requestAttributes, requestSpanName, type Tracing } from '@penstock/runtime';
import type { BatchObserver } from './batch-runner.ts';
import type { LineTracing } from './line-work.ts';

export class BatchTracing implements BatchObserver, LineTracing {
  readonly #tracing: Tracing;

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** A span over the whole life of the batch, made at its end: any process may finish it. */
  finished(
    batch: BatchRecord,
    {
      status,
      completed,
      failed,
    }: { readonly status: string; readonly completed: number; readonly failed: number },
  ): void {
    const span = this.#tracing.begin({
      ...{ name: 'batch', at: batch.createdAt * 1000 },
      attributes: {
        ...{ 'penstock.batch.id': batch.id, 'penstock.batch.status': status },
        ...{ 'penstock.batch.completed': completed, 'penstock.batch.failed': failed },
      },
    });
    if (status === 'failed') span.fail(status);
    span.end();
  }

  /**
   * A line gets a trace of its own, which its batch's id finds: one trace of 50,000 lines would be of no use.
   * @returns what goes with its work.
   */
  queued(
    batchId: string,
    line: Pick<WorkMeta, 'id' | 'endpoint' | 'model' | 'maxTokens'>,
  ): Pick<WorkMeta, 'names'> {
    const span = this.#tracing.begin({
      ...{ name: requestSpanName(line.endpoint, line.model), role: 'producer' },
      attributes: {
        ...requestAttributes({ ...line, stream: false }),
        ...{ 'penstock.lane': 'batch', 'penstock.batch.id': batchId },
      },
    });
    span.end();
    return { names: span.context };
  }
}
