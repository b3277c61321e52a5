/** Webhook routes with what they should refuse: URLs, bodies, ids of nobody and of others, too many. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { API_KEY, errorOf, startStack } from '../../testkit/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';
const ROUTE = '/v1/webhook_endpoints';
const GOOD = { url: 'https://8.8.8.8/hook', name: 'n', event_types: ['job.completed'] };

test('webhook routes refuse what is wrong and say what is right', async t => {
  await using stack = await startStack({ ingressEnv: { PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}` } });
  const call = (method: string, path: string, body?: unknown, key = API_KEY) =>
    fetch(stack.url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });

  await t.test('URLs nobody may be sent to', async () => {
    const urls: [url: string, says: RegExp][] = [
      ['nowhere', /cannot be read/],
      ['ftp://a.example/', /Only https/],
      ['http://8.8.8.8/', /use https/],
      ['https://user:secret@8.8.8.8/', /user name or a password/],
      ['https://8.8.8.8:22/', /The port/],
      ...[
        '127.0.0.1',
        '[::1]',
        '169.254.169.254',
        '10.1.2.3',
        '[::ffff:10.1.2.3]',
        '2130706433',
        'localhost',
      ].map((host): [string, RegExp] => [`https://${host}/`, /not on the public internet/]),
    ];
    for (const [url, says] of urls) {
      const answer = await call('POST', ROUTE, { ...GOOD, url });
      assert.equal(answer.status, 400, url);
      const error = await errorOf(answer);
      assert.deepEqual([error.code, error.param], ['invalid_request', 'url'], url);
      assert.match(error.message, says, url);
      assert.ok(!error.message.includes('secret'));
    }
  });

  await t.test('bodies that cannot be meant', async () => {
    const bodies: [body: unknown, code: string, param: string | null][] = [
      ['{oops', 'invalid_json', null],
      [[], 'invalid_request', null],
      [{ ...GOOD, url: undefined }, 'invalid_request', 'url'],
      [{ ...GOOD, event_types: [] }, 'invalid_request', 'event_types'],
      [{ ...GOOD, event_types: ['moon.full'] }, 'invalid_request', 'event_types.0'],
      [{ ...GOOD, name: 'x'.repeat(129) }, 'invalid_request', 'name'],
    ];
    for (const [body, code, param] of bodies) {
      const answer = await call('POST', ROUTE, body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      const error = await errorOf(answer);
      assert.deepEqual([error.code, error.param], [code, param], JSON.stringify(body));
    }
    assert.equal((await call('POST', ROUTE)).status, 415);
  });

  await t.test('unknown, malformed and foreign ids are the same 404 on every route', async () => {
    const { id } = (await (await call('POST', ROUTE, GOOD)).json()) as { id: string };
    const routes: [method: string, rest: string, body?: object][] = [
      ['GET', ''],
      ['POST', '', { name: 'mine now' }],
      ['DELETE', ''],
      ['POST', '/rotate_secret', {}],
      ['POST', '/test', { event_type: 'job.completed' }],
      ['GET', '/deliveries'],
      ['GET', `/deliveries/whd_${'0'.repeat(32)}`],
      ['POST', `/deliveries/whd_${'0'.repeat(32)}/redeliver`],
    ];
    for (const [method, rest, body] of routes)
      for (const [path, key] of [
        [`${ROUTE}/${id}${rest}`, OTHER_KEY],
        [`${ROUTE}/whe_${'a'.repeat(26)}${rest}`, API_KEY],
        [`${ROUTE}/..%2f${rest}`, API_KEY],
      ] as const) {
        const answer = await call(method, path, body, key);
        assert.equal(answer.status, 404, `${method} ${path}`);
        assert.equal((await errorOf(answer)).code, 'webhook_not_found', `${method} ${path}`);
      }
    const own = await call('POST', `${ROUTE}/${id}/deliveries/whd_${'0'.repeat(32)}/redeliver`);
    assert.equal((await errorOf(own)).code, 'delivery_not_found');
    const list = (await (await call('GET', ROUTE, undefined, OTHER_KEY)).json()) as { data: unknown[] };
    assert.deepEqual(list.data, []);
    const shown = await (await call('GET', `${ROUTE}/${id}`)).text();
    assert.ok(!shown.includes('"signing_secret"'), 'a secret is shown when it is made, and never again');
  });

  await t.test('more endpoints than a tenant may have', async () => {
    let refused: Response | null = null;
    for (let i = 0; i < 25 && refused === null; i++) {
      const answer = await call('POST', ROUTE, GOOD);
      if (answer.status !== 200) refused = answer;
    }
    assert.equal(refused?.status, 400);
    assert.match((await errorOf(refused as Response)).message, /You have 20 webhook endpoints/);
  });
});
