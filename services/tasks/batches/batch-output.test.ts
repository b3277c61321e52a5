import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BatchRecord } from '@penstock/protocol';
import { DirectoryFiles, type RunStore } from '@penstock/transport';
import { writeOutput } from './batch-output.ts';

test('where nothing can be written, it is the batch that fails, not the process', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'penstock-output-'));
  await writeFile(join(directory, 'file'), '');
  const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
  const line = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body };
  const lines = async function* () {
    for (let number = 1; number <= 100; number++) yield { number, text: Buffer.from(JSON.stringify(line)) };
  };
  try {
    const written = writeOutput({
      estimator: { learn: () => false },
      batch: { id: 'batch_a' } as BatchRecord,
      ...{ endpoint: 'chat', lines, unanswered: 'batch_expired' },
      runs: { read: async () => null } as unknown as RunStore,
      contents: new DirectoryFiles(join(directory, 'file', 'below')),
    });
    await assert.rejects(written, { code: 'ENOTDIR' });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
