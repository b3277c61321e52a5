import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkBatch } from './batch-check.ts';

const LINE = {
  custom_id: 'a',
  method: 'POST',
  url: '/v1/embeddings',
  body: { model: 'm', input: 'x' },
};

async function* lines() {
  yield { number: 1, text: Buffer.from(JSON.stringify(LINE)) };
}

for (const late of ['model', 'endpoint'])
  test(`a batch is not refused for a ${late} that a process which has just started has not heard of`, async () => {
    const check = async (comes: boolean) => {
      let isHeard = late === 'endpoint';
      let hasEndpoint = late === 'model';
      const { errors } = await checkBatch(lines(), {
        endpoint: 'embeddings',
        oneModel: false,
        isModel: async () => isHeard,
        hasEndpoint: () => hasEndpoint,
        whenHeard: async () => {
          isHeard ||= comes;
          hasEndpoint ||= comes;
        },
      });
      return errors.map(({ code, line }) => [code, line]);
    };
    assert.deepEqual(await check(true), []);
    assert.deepEqual(await check(false), [[`${late}_not_found`, 1]]);
  });
