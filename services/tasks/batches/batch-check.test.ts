import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNRESTRICTED } from '@penstock/access';
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

const engineRules = { allowedFields: new Set<string>(), whyNotFetched: () => null };

for (const late of ['model', 'endpoint'])
  test(`a batch is not refused for a ${late} that a process which has just started has not heard of`, async () => {
    const check = async (comes: boolean) => {
      let isHeard = late === 'endpoint';
      let hasEndpoint = late === 'model';
      const { errors } = await checkBatch(lines(), {
        ...{ endpoint: 'embeddings', permissions: UNRESTRICTED, mayAsk: () => true },
        oneModel: false,
        engineRules,
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

test('a line for a model that whoever made the batch may not ask for is refused as one for none', async () => {
  const permissions = { scopes: ['model:other'], models: null };
  const { errors } = await checkBatch(lines(), {
    ...{ endpoint: 'embeddings', oneModel: false, permissions },
    mayAsk: (given, name) => given === permissions && name === 'other',
    engineRules,
    ...{ isModel: async () => true, hasEndpoint: () => true, whenHeard: async () => {} },
  });
  assert.deepEqual(
    errors.map(({ code, line }) => [code, line]),
    [['model_not_found', 1]],
  );
});
