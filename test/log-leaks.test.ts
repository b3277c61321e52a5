/** That prompts and keys in a log are found, so that a test run without findings says something. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { watchLeaks } from '../testkit/telemetry/log-leaks.ts';

const PROMPT = 'tell nobody that the safe is behind the painting';

test('a line that shows what was sent, a key of a request or of a setting, or any body is found; others are not', async t => {
  const leaks = watchLeaks();
  const server = createServer((request, response) => request.resume().on('end', () => response.end()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  leaks.keysOf({ PENSTOCK_ADMIN_KEYS: 'first-admin-key,second-admin-key', PENSTOCK_REGION: 'some-region' });
  const body = JSON.stringify({
    messages: [{ role: 'user', content: `Quote "this":\n${PROMPT}, and that it is not locked` }],
  });
  await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { authorization: 'Bearer the-key-of-a-client' },
    body,
  });
  const line = (about: object) => JSON.stringify({ level: 50, ...about });
  for (const fine of [
    line({ msg: 'ingress listening', url: `http://127.0.0.1:${port}`, region: 'some-region' }),
    line({ err: { type: 'ReplyError', message: 'OOM command not allowed' }, choices: 3 }),
  ])
    leaks.look('ingress', fine);
  assert.deepEqual(leaks.found, []);
  for (const leak of [
    line({ err: new Error('x').message, args: `"${PROMPT}"` }),
    line({ args: [body] }),
    line({ body }),
    line({ args: [Buffer.from('a packet')] }),
    line({ detail: '{"choices":[{"index":0}]}' }),
    line({ why: 'no such key: the-key-of-a-client' }),
    'configuration: second-admin-key is short',
  ])
    leaks.look('worker', leak);
  assert.equal(leaks.found.length, 7, leaks.found.join('\n'));
  assert.match(leaks.found[0] ?? '', /^worker logged a prompt: /);
});
