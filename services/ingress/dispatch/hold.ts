/**
 * A synchronous call that has waited too long becomes a stored run: clients and what is between them give up on silent
 * connections, and then ask again for what is already being worked on. Its client is sent away with 202 and the place to look.
 * What runs goes on, and this node stores its answer; what waits, or has to be tried again, is left to the queue and the record.
 */
import {
  type NewRun,
  type ResultMeta,
  responseStatusOf,
  type StoredRun,
  toErrorBody,
} from '@penstock/protocol';
import type { HttpReply } from '../replies/http-reply.ts';
import type { Runs } from '../runs/runs.ts';
import type { Held } from './open-request.ts';

/** What the record says, and what the client is told. */
export interface HoldAbout {
  readonly run: NewRun;
  readonly location: string;
  readonly describe: (run: StoredRun) => { body: object; headers: Record<string, string> };
}

const JSON_TYPE = 'application/json; charset=utf-8';
/** The record is kept for this long beyond its deadline, ms. */
const RECORD_SLACK_MS = 24 * 3600 * 1000;

/** @param tell says that the run is final. */
export function createHeld(
  runs: Runs,
  about: HoldAbout,
  http: HttpReply,
  now: () => number,
  tell: (id: string) => void,
): Held {
  const { run } = about;
  const finish = async (attempt: number, worker: string, meta: ResultMeta, body: Buffer, failed: boolean) => {
    // The attempt may be later than the one that ran when the call was converted.
    await runs.store.begin(run.id, attempt, worker);
    const result = { ...meta, body, finishedAt: now() };
    const answered = run.kind === 'response' ? responseStatusOf(result) : 'completed';
    const status = failed ? 'failed' : answered;
    if (await runs.store.finish(run.id, attempt, { status, result, log: 'none', last: null }, runs.ttl))
      tell(run.id);
  };
  return {
    run,
    async adopt(attempt, worker) {
      await runs.store.create(run, run.deadlineAt - run.createdAt + RECORD_SLACK_MS, null);
      if (run.kind === 'completion')
        await runs.store.completions.add(run.tenant, run.id, run.createdAt, runs.ttl);
      if (worker !== null) await runs.store.begin(run.id, attempt, worker);
    },
    async announce() {
      const stored = await runs.store.read(run.id);
      if (stored === null) return;
      const { body, headers } = about.describe(stored);
      http.accepted(body, { ...headers, location: about.location });
    },
    async forget() {
      await runs.store.remove(run.id, null);
      if (run.kind === 'completion') await runs.store.completions.remove(run.tenant, run.id);
    },
    finish: (attempt, worker, meta, body) => finish(attempt, worker, meta, body, false),
    async fail(attempt, worker, error) {
      const body = Buffer.from(JSON.stringify(toErrorBody(error)));
      await finish(attempt, worker, { status: error.status, contentType: JSON_TYPE }, body, true);
    },
  };
}
