import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewRun, RunKind } from '@penstock/protocol';
import type { RunEnd, RunStore } from '@penstock/transport';
import type { HttpReply } from '../replies/http-reply.ts';
import type { Runs } from '../runs/runs.ts';
import { RunConversion } from './conversion.ts';

/** The status under which the answer of a converted call is stored. */
async function statusOf(kind: RunKind, status: number, finishReason: string): Promise<string | undefined> {
  let end: RunEnd | null = null;
  const store = {
    begin: async () => 'begun',
    finish: async (_id: string, _attempt: number, stored: RunEnd) => {
      end = stored;
      return true;
    },
  } as unknown as RunStore;
  const run = { id: 'r1', kind } as NewRun;
  const about = { run, location: '/', describe: () => ({ body: {}, headers: {} }) };
  const runs = { store, ttl: { recordMs: 1, logMs: 1 }, tellFinal() {} } as unknown as Runs;
  const clock = { now: () => 0, monotonic: () => 0 };
  const conversion = new RunConversion(about, runs, {} as HttpReply, clock);
  const body = Buffer.from(JSON.stringify({ choices: [{ finish_reason: finishReason }] }));
  await conversion.finish(1, 'w', { status, contentType: 'application/json' }, body);
  return (end as RunEnd | null)?.status;
}

test('a converted response is stored as what its clients and webhooks are told that it is', async () => {
  assert.equal(await statusOf('response', 200, 'stop'), 'completed');
  assert.equal(await statusOf('response', 200, 'length'), 'incomplete');
  assert.equal(await statusOf('response', 200, 'content_filter'), 'incomplete');
  assert.equal(await statusOf('response', 400, ''), 'failed');
  assert.equal(await statusOf('job', 200, 'length'), 'completed');
  assert.equal(await statusOf('job', 400, ''), 'completed', 'a refusal is the answer');
});
