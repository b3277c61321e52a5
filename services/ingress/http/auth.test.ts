import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caller, mintKey, openKeyStore, Peppers, Provisioned, WrongKeys } from '@penstock/access';
import { MemoryProjectRecords } from '@penstock/transport/memory';
import { type Asked, Authenticator } from './auth.ts';

function newAuthenticator() {
  const clock = { now: () => 0, monotonic: () => 0 };
  const { ring } = openKeyStore({
    provisioned: new Provisioned(),
    tokens: null,
    records: new MemoryProjectRecords(),
    configured: ['sk-first-key', 'sk-second-key'],
    admins: ['an-admin-key'],
    peppers: new Peppers([]),
    ...{ graceMs: 0, clock },
  });
  const counted: string[] = [];
  const logged: object[] = [];
  const pauses: number[] = [];
  const authenticator = new Authenticator({
    ...{ ring, wrongKeys: new WrongKeys(clock) },
    refused: { inc: (labels: unknown) => void counted.push((labels as { reason: string }).reason) },
    log: { warn: (about: object) => void logged.push(about) } as never,
    pause: async ms => void pauses.push(ms),
  });
  return { authenticator, counted, logged, pauses };
}

const { authenticator } = newAuthenticator();

const callerOf = (headers: Asked['headers'], repeated?: Asked['repeated']): Promise<Caller> =>
  authenticator.callerOf({ headers, ...(repeated === undefined ? {} : { repeated }), address: '10.0.0.1' });

test('a key belongs to the same project in whatever header it comes', async () => {
  const { project } = await callerOf({ authorization: 'Bearer sk-first-key' });
  assert.equal(project, '28254d667c14c4b6');
  for (const headers of [
    { 'x-api-key': 'sk-first-key' },
    { 'api-key': 'sk-first-key' },
    { authorization: 'bearer  sk-first-key' },
    { authorization: 'Bearer none', 'x-api-key': 'sk-first-key' },
    { authorization: 'Basic dTpw', 'api-key': 'sk-first-key' },
  ])
    assert.equal((await callerOf(headers)).project, project);
  assert.notEqual((await callerOf({ 'x-api-key': 'sk-second-key' })).project, project);
});

test('no key and a wrong one are told apart', async () => {
  for (const headers of [
    {},
    { authorization: '' },
    { 'x-api-key': '' },
    { authorization: 'Bearer ', 'x-api-key': '' },
    { authorization: 'Basic dTpw' },
  ])
    await assert.rejects(callerOf(headers), { code: 'missing_api_key' }, JSON.stringify(headers));
  for (const headers of [
    { authorization: 'Bearer sk-first-ke' },
    { 'x-api-key': 'sk-first-key1' },
    { 'api-key': 'x' },
    { authorization: 'sk-first-ke' },
    { authorization: 'Bearer Bearer', 'x-api-key': 'x' },
    { 'x-api-key': 'sk-first-key '.repeat(60) },
  ])
    await assert.rejects(callerOf(headers), { code: 'invalid_api_key' });
});

test('a key is taken however it is pasted, as long as there is no doubt about it', async () => {
  const { project } = await callerOf({ authorization: 'Bearer sk-first-key' });
  for (const value of [
    'sk-first-key',
    'Bearer Bearer sk-first-key',
    'Bearer bearer  sk-first-key',
    ' Bearer sk-first-key ',
  ])
    for (const name of ['authorization', 'x-api-key', 'api-key'])
      assert.equal((await callerOf({ [name]: value })).project, project, `${name}: ${value}`);
});

test('of a header that came twice either may have the key', async () => {
  const { project } = await callerOf({ authorization: 'Bearer sk-first-key' });
  const twice = (values: string[]) =>
    callerOf({ authorization: values[0] ?? '' }, () => ({ authorization: values }));
  for (const first of ['', 'Bearer', 'Bearer none', 'Basic dTpw'])
    assert.equal((await twice([first, 'Bearer sk-first-key'])).project, project, first);
  await assert.rejects(twice(['', 'Bearer none']), { code: 'invalid_api_key' });
});

test('what is wrong with a header is said, and nothing of what it held', async () => {
  const secret = 'sk-secret-of-somebody';
  for (const [header, code, words] of [
    ['Bearer', 'missing_api_key', /follows Bearer in the header authorization/],
    ['Bearer Bearer ', 'missing_api_key', /follows Bearer/],
    [`Basic ${secret}`, 'missing_api_key', /another scheme/],
    [`Token ${secret}`, 'missing_api_key', /another scheme/],
    [`Bearer ${secret} ${secret}`, 'invalid_api_key', /a blank/],
    [`Bearer ${secret.repeat(40)}`, 'invalid_api_key', /longer than 512/],
    [`Bearer ${secret}`, 'invalid_api_key', /not valid/],
    [`Bearer ${mintKey('api').text.slice(0, -1)}-`, 'invalid_api_key', /not valid/],
    [`Bearer ${mintKey('admin').text}`, 'invalid_api_key', /is an admin key/],
    ['', 'missing_api_key', /No API key was given/],
  ] as const)
    await assert.rejects(callerOf({ authorization: header }), (error: { code: string; message: string }) => {
      assert.equal(error.code, code, header);
      assert.match(error.message, words);
      assert.ok(!error.message.includes('sk-'), error.message);
      return true;
    });
});

test('refused keys are counted by why, told once a minute, and slowed down where they come often; none holds up a good one', async () => {
  const { authenticator, counted, logged, pauses } = newAuthenticator();
  const ask = (key: string, address = '10.0.0.1') =>
    authenticator.callerOf({ headers: { authorization: `Bearer ${key}` }, address });
  const good = mintKey('api').text;
  const mistyped = good.slice(0, -1) + (good.endsWith('0') ? '1' : '0');
  await assert.rejects(ask(''), { code: 'missing_api_key' });
  await assert.rejects(ask(mistyped), { message: /mistyped/ });
  await assert.rejects(ask('a b'), { code: 'invalid_api_key' });
  for (let i = 0; i < 20; i++) await assert.rejects(ask(good), { code: 'invalid_api_key' });
  assert.deepEqual(counted.slice(0, 4), ['missing', 'mistyped', 'malformed', 'unknown']);
  assert.deepEqual(logged, [{ address: '10.0.0.1', reason: 'mistyped' }]);
  assert.deepEqual(pauses, Array(12).fill(1000));
  await ask('sk-first-key');
  await assert.rejects(ask(good, '10.0.0.2'));
  assert.equal(pauses.length, 12, 'neither a valid key nor another address waits');
});
