/** Finding the run behind a client's id. */
import { DispatchError, publicId, type RunKind, runIdIn, type StoredRun } from '@penstock/protocol';
import type { RunStore } from '@penstock/transport';
import type { RunExpiry } from './transitions/expire.ts';

export class RunFinder {
  readonly #store: Pick<RunStore, 'read'>;
  readonly #expiry: RunExpiry;

  constructor(store: Pick<RunStore, 'read'>, expiry: RunExpiry) {
    this.#store = store;
    this.#expiry = expiry;
  }

  /**
   * @param id as the client knows it.
   * @throws DispatchError, the same for unknown, deleted and malformed ids and for those of another tenant.
   */
  async find(id: string, tenant: string, kind: RunKind): Promise<StoredRun> {
    const runId = runIdIn(kind, id);
    const run = runId === null ? null : await this.#store.read(runId);
    if (run === null || run.tenant !== tenant || run.kind !== kind) throw runNotFound(kind, id);
    return run;
  }

  /** As {@link find}; a run whose deadline has passed is ended first. */
  async look(id: string, tenant: string, kind: RunKind): Promise<StoredRun> {
    return this.refresh(await this.find(id, tenant, kind));
  }

  /** Ends the run if its deadline has passed. @returns its current state. @throws DispatchError if it was deleted meanwhile. */
  async refresh(run: StoredRun): Promise<StoredRun> {
    const now = await this.#expiry.look(run);
    if (now === null) throw runNotFound(run.kind, publicId(run));
    return now;
  }
}

/** @param id as the client knows it. */
export function runNotFound(kind: RunKind, id: string): DispatchError {
  if (kind === 'job') return new DispatchError('job_not_found');
  if (kind === 'completion') return new DispatchError('completion_not_found');
  return new DispatchError('response_not_found', { message: `Response with id '${id}' not found.` });
}
