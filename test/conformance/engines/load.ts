/** What a stack makes of real engines that are busy, left alone or killed. */
import assert from 'node:assert/strict';
import { sdk } from '../../../testkit/sdk.ts';
import { waitFor } from '../../../testkit/stack.ts';
import { chat, type ReadEvents, readEvents, throughStack } from './calls.ts';
import type { LlamaServer } from './llama-cpp.ts';
import type { TestBed } from './test-bed.ts';

/** Long enough that something can happen to it. */
const LONG = { max_tokens: 3000, stream: true };
const BATCH_LINES = 40;

export function loadChecks(bed: TestBed): Record<string, () => Promise<void>> {
  const { stack, engines } = bed;
  const via = throughStack(stack);
  const stream = (body: object, init: RequestInit = {}) => via('/v1/chat/completions', body, init);
  const busy = async () =>
    (await Promise.all(engines.map(engine => engine.load()))).map(({ running }) => running);
  const idle = () => waitFor(async () => (await busy()).every(running => running === 0));

  return {
    'more requests than slots wait in the queue, not in an engine': async () => {
      let mostWaiting = 0;
      let ended = false;
      const watched = watchWaiting(
        engines,
        () => ended,
        waiting => {
          mostWaiting = Math.max(mostWaiting, waiting);
        },
      );
      const answers = await Promise.all(
        Array.from({ length: 16 }, async (_, n) =>
          readEvents(await stream(chat(`Number ${n}`, { max_tokens: 400, stream: true }))),
        ),
      );
      ended = true;
      await watched;
      assert.ok(answers.every(({ done, usage, text }) => done && (usage !== undefined || text !== '')));
      assert.equal(mostWaiting, 0, `${mostWaiting} requests waited inside an engine`);
    },
    'two engines share the work': async () => {
      const answers = await Promise.all(
        Array.from({ length: 24 }, (_, n) =>
          via('/v1/chat/completions', chat(`Share ${n}`, { max_tokens: 100 })),
        ),
      );
      await Promise.all(answers.map(answer => answer.text()));
      const workers = answers.map(answer => answer.headers.get('x-penstock-worker') ?? '');
      for (const name of ['w-1', 'w-2']) {
        const share = workers.filter(worker => worker === name).length;
        assert.ok(share >= 6, `${name} had ${share} of 24`);
      }
    },
    'a client that leaves a stream ends the engine’s work': async () => {
      await idle();
      const leave = new AbortController();
      const reading = readEvents(await stream(chat('Leave.', LONG), { signal: leave.signal }), () =>
        leave.abort(),
      );
      await assert.rejects(reading);
      await idle();
    },
    'a client that leaves a plain call ends the engine’s work': async () => {
      const calls = [
        ['/v1/chat/completions', chat('Leave.', { max_tokens: 3900 })],
        ['/v1/completions', { model: 'tiny', prompt: 'Leave.', max_tokens: 3900, ignore_eos: true }],
      ] as const;
      for (const [path, body] of calls) {
        const leave = new AbortController();
        const call = via(path, body, { signal: leave.signal });
        call.catch(() => undefined);
        await waitFor(async () => (await busy()).some(running => running > 0));
        leave.abort();
        await assert.rejects(call);
        const left = performance.now();
        await idle();
        const took = performance.now() - left;
        assert.ok(took < 2000, `${path}: the engine went on for ${Math.round(took)} ms`);
      }
    },
    'streams go on where an engine was killed': async () => {
      const answers = await streamsThrough(4, stream, async () => {
        const killed = engines[0] as LlamaServer;
        killed.process.kill('SIGKILL');
        await killed.process.exited;
      }).finally(() => bed.restart(0));
      assertWhole(answers);
    },
    'an engine that came back gets work again': async () => {
      await waitFor(async () => {
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, n) =>
            via('/v1/chat/completions', chat(`Again ${n}`, { max_tokens: 50 })),
          ),
        );
        await Promise.all(answers.map(answer => answer.text()));
        return answers.some(answer => answer.headers.get('x-penstock-worker') === 'w-1');
      });
    },
    'streams go on where a worker was killed': async () => {
      const answers = await streamsThrough(4, stream, async () => {
        stack.workers[0]?.kill('SIGKILL');
        await stack.workers[0]?.exited;
      }).finally(async () => {
        stack.workers[0] = await stack.startWorker(0);
      });
      assertWhole(answers);
    },
    'a batch': async () => {
      const lines = Array.from({ length: BATCH_LINES }, (_, n) => ({
        custom_id: `line-${n}`,
        method: 'POST',
        url: '/v1/chat/completions',
        body: chat(`Line ${n}`, { max_tokens: 20 }),
      }));
      const client = sdk(stack);
      const file = new File([lines.map(line => JSON.stringify(line)).join('\n')], 'lines.jsonl');
      const input = await client.files.create({ purpose: 'batch', file });
      const made = {
        input_file_id: input.id,
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
      } as const;
      let batch = await client.batches.create(made);
      await waitFor(async () => {
        batch = await client.batches.retrieve(batch.id);
        return ['completed', 'failed', 'expired'].includes(batch.status);
      }, 120_000);
      assert.deepEqual(batch.request_counts, { total: BATCH_LINES, completed: BATCH_LINES, failed: 0 });
    },
  };
}

async function watchWaiting(
  engines: readonly LlamaServer[],
  ended: () => boolean,
  see: (waiting: number) => void,
): Promise<void> {
  while (!ended()) {
    for (const engine of engines) see((await engine.load()).waiting);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** Opens streams, lets something happen once all have begun, and reads them to their ends. */
async function streamsThrough(
  count: number,
  stream: (body: object) => Promise<Response>,
  happens: () => Promise<void>,
): Promise<ReadEvents[]> {
  const begun = new Set<number>();
  const reading = Array.from({ length: count }, async (_, n) =>
    readEvents(await stream(chat(`Story ${n}`, LONG)), text => text !== '' && begun.add(n)),
  );
  await waitFor(() => begun.size === count);
  await happens();
  return Promise.all(reading);
}

function assertWhole(answers: readonly ReadEvents[]): void {
  for (const { error, done, finishReasons } of answers) {
    assert.equal(error, undefined, error?.message);
    assert.ok(done);
    assert.deepEqual(finishReasons, ['length']);
  }
}
