import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPERATIONS } from '@penstock/protocol';
import { BatchesApi } from './api/batches.ts';
import { FilesApi } from './api/files.ts';
import { InferenceApi } from './api/inference.ts';
import { JobsApi } from './api/jobs.ts';
import { ModelsApi } from './api/models.ts';
import { OperationsApi } from './api/operations.ts';
import { ResponsesApi } from './api/responses.ts';
import { StoredCompletionsApi } from './api/stored-completions.ts';
import { MAX_FILE_BYTES } from './api/upload.ts';
import { WebhooksApi } from './api/webhooks.ts';
import { type Apis, buildServer } from './server.ts';

/** Routes that only say what is not served. */
const UNDOCUMENTED = ['POST /v1/responses/compact', 'POST /v1/responses/input_tokens'];

/** The product's routes, with nothing behind them. */
function startServer() {
  const none = {} as never;
  const apis: Apis = {
    operations: new OperationsApi(none, none),
    models: new ModelsApi(none),
    inference: new InferenceApi(none),
    storedCompletions: new StoredCompletionsApi(none),
    jobs: new JobsApi(none),
    responses: new ResponsesApi(none),
    files: new FilesApi(none, none, none),
    batches: new BatchesApi(none),
    webhooks: new WebhooksApi(none),
  };
  return buildServer({ apis, authenticate: () => 't', bodies: none, nextId: () => 'r1' });
}

/** As `GET /v1/files/{id}`, from the router's own tree. */
async function routes(): Promise<string[]> {
  const app = startServer();
  await app.ready();
  const above: string[] = [];
  return app
    .printRoutes({ commonPrefix: false })
    .trimEnd()
    .split('\n')
    .flatMap(line => {
      const [, indent = '', part = '', methods = ''] = /^(.*)[├└]── (\S+) \((.*)\)$/.exec(line) ?? [];
      const depth = indent.length / 4;
      above.length = depth;
      above.push(part);
      const path = above
        .join('')
        .replace('models*', 'models/{model}')
        .replaceAll(/:(\w+)/g, '{$1}');
      return methods
        .split(', ')
        .filter(method => method !== 'HEAD')
        .map(method => `${method} ${path}`);
    });
}

test('the document at /openapi.json has every route, and no other (libs/protocol/openapi/operations.ts)', async () => {
  const documented = OPERATIONS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  assert.deepEqual((await routes()).sort(), [...documented, ...UNDOCUMENTED].sort());
});

test('the largest file has time to come over a line of 3 Mbit/s', () => {
  const app = startServer();
  assert.ok((MAX_FILE_BYTES * 8) / (app.server.requestTimeout / 1000) < 3e6);
});
