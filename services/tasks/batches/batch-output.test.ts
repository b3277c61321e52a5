import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { TokenEstimator } from '@penstock/policy';
import { type BatchRecord, emptyProfile } from '@penstock/protocol';
import { DirectoryFiles, type RunStore } from '@penstock/transport';
import { OpenLineError, writeOutput } from './batch-output.ts';

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), 'penstock-output-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function* linesOf(content: string, count: number) {
  const body = { model: 'm', messages: [{ role: 'user', content }] };
  const line = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body };
  for (let number = 1; number <= count; number++) yield { number, text: Buffer.from(JSON.stringify(line)) };
}

test('where nothing can be written, it is the batch that fails, not the process', async () => {
  await using files = await temporaryDirectory();
  await writeFile(join(files.path, 'file'), '');
  const written = writeOutput({
    estimator: { learn: () => false },
    batch: { id: 'batch_a' } as BatchRecord,
    ...{ endpoint: 'chat', lines: () => linesOf('hi', 100), unanswered: 'batch_expired' },
    runs: { read: async () => null } as unknown as RunStore,
    contents: new DirectoryFiles(join(files.path, 'file', 'below')),
  });
  await assert.rejects(written, { code: 'ENOTDIR' });
});

test('no output is written over a line that is open or forgotten, where all are answered', async () => {
  const result = { status: 200, contentType: 'application/json', body: Buffer.from('{}'), finishedAt: 0 };
  await using files = await temporaryDirectory();
  for (const last of [null, { status: 'in_progress', result: null }, { status: 'cancelled', result: null }]) {
    const runs = [{ status: 'completed', result }, last];
    const written = writeOutput({
      ...{ estimator: { learn: () => false }, batch: { id: 'batch_a' } as BatchRecord },
      ...{ endpoint: 'chat', lines: () => linesOf('hi', 2), unanswered: null },
      runs: { read: async () => runs.shift() } as unknown as RunStore,
      contents: new DirectoryFiles(files.path),
    });
    if (last?.status !== 'cancelled') await assert.rejects(written, OpenLineError);
    else assert.deepEqual([(await written).completed, (await written).failed], [1, 1]);
  }
});

test('the next lines of a model are estimated by what its engines counted of the last', async () => {
  const estimator = new TokenEstimator();
  const letters = { ...emptyProfile(), letters: 4000, messages: 1 };
  const before = estimator.estimate('m', letters);
  const body = Buffer.from('{"choices":[],"usage":{"prompt_tokens":500}}');
  const result = { status: 200, contentType: 'application/json', body, finishedAt: 0 };
  await using files = await temporaryDirectory();
  const { usage } = await writeOutput({
    ...{ estimator, batch: { id: 'batch_a' } as BatchRecord },
    ...{ endpoint: 'chat', lines: () => linesOf('word'.repeat(1000), 3), unanswered: 'batch_expired' },
    runs: { read: async () => ({ result }) } as unknown as RunStore,
    contents: new DirectoryFiles(files.path),
  });
  assert.equal(usage.input, 1500);
  const after = estimator.estimate('m', letters);
  assert.ok(before > 900 && Math.abs(after / 500 - 1) < 0.1, `${before} and ${after}`);
});

test('a line that no engine had room for tells what the last one said', async () => {
  await using files = await temporaryDirectory();
  const contents = new DirectoryFiles(files.path);
  const runs = [{ result: null, lastWords: 'the engine has no room (429): slow down' }, null];
  const { error } = await writeOutput({
    estimator: { learn: () => false },
    batch: { id: 'batch_a' } as BatchRecord,
    ...{ endpoint: 'chat', lines: () => linesOf('hi', 2), unanswered: 'batch_expired', contents },
    runs: { read: async () => runs.shift() } as unknown as RunStore,
  });
  const stored = await contents.open(error?.digest ?? '');
  const lines = (await text(stored ?? assert.fail())).trim().split('\n');
  const messages = lines.map(line => JSON.parse(line).error.message);
  assert.match(
    messages[0],
    /expired before .* The last attempt failed: the engine has no room \(429\): slow down$/,
  );
  assert.match(messages[1], /answered\.$/);
});
