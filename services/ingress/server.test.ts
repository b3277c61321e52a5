import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPERATIONS } from '@penstock/protocol';
import { MAX_FILE_BYTES } from './api/upload.ts';
import { type AppDeps, buildApp } from './server.ts';

/** Routes that only say what is not served. */
const UNDOCUMENTED = ['POST /v1/responses/compact', 'POST /v1/responses/input_tokens'];

/** As `GET /v1/files/{id}`, from the router's own tree. */
async function routes(): Promise<string[]> {
  const app = buildApp({ responses: {}, bodyLimitBytes: 1000 } as unknown as AppDeps);
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
  const app = buildApp({ responses: {}, bodyLimitBytes: 1000 } as unknown as AppDeps);
  assert.ok((MAX_FILE_BYTES * 8) / (app.server.requestTimeout / 1000) < 3e6);
});
