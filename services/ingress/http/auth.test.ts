import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthenticator } from './auth.ts';

const authenticate = createAuthenticator(['sk-first-key', 'sk-second-key']);

test('a key belongs to the same tenant in whatever header it comes', () => {
  const tenant = authenticate({ authorization: 'Bearer sk-first-key' });
  assert.equal(authenticate({ 'x-api-key': 'sk-first-key' }), tenant);
  assert.equal(authenticate({ 'api-key': 'sk-first-key' }), tenant);
  assert.equal(authenticate({ authorization: 'bearer  sk-first-key' }), tenant);
  assert.notEqual(authenticate({ 'x-api-key': 'sk-second-key' }), tenant);
  assert.equal(authenticate({ authorization: 'Bearer none', 'x-api-key': 'sk-first-key' }), tenant);
  assert.equal(authenticate({ authorization: 'Basic dTpw', 'api-key': 'sk-first-key' }), tenant);
});

test('no key and a wrong one are told apart', () => {
  const refused = (headers: Record<string, string>) => {
    try {
      authenticate(headers);
    } catch (err) {
      return (err as { code: string }).code;
    }
    return null;
  };
  for (const headers of [
    {},
    { authorization: '' },
    { 'x-api-key': '' },
    { authorization: 'Bearer ', 'x-api-key': '' },
    { authorization: 'Basic dTpw' },
  ])
    assert.equal(
      refused(headers as Record<string, string>),
      'missing_api_key',
      JSON.stringify(headers).slice(0, 60),
    );
  for (const headers of [
    { authorization: 'Bearer sk-first-ke' },
    { 'x-api-key': 'sk-first-key1' },
    { 'api-key': 'x' },
    { authorization: 'sk-first-ke' },
    { authorization: 'Bearer Bearer', 'x-api-key': 'x' },
    { 'x-api-key': 'sk-first-key '.repeat(60) },
  ])
    assert.equal(refused(headers as Record<string, string>), 'invalid_api_key');
});

test('a key is taken however it is pasted, as long as there is no doubt about it', () => {
  const tenant = authenticate({ authorization: 'Bearer sk-first-key' });
  for (const value of [
    'sk-first-key',
    'Bearer Bearer sk-first-key',
    'Bearer bearer  sk-first-key',
    ' Bearer sk-first-key ',
  ])
    for (const name of ['authorization', 'x-api-key', 'api-key'])
      assert.equal(authenticate({ [name]: value }), tenant, `${name}: ${value}`);
});

test('of a header that came twice either may have the key', () => {
  const tenant = authenticate({ authorization: 'Bearer sk-first-key' });
  const twice = (values: string[]) =>
    authenticate({ authorization: values[0] ?? '' }, () => ({ authorization: values }));
  for (const first of ['', 'Bearer', 'Bearer none', 'Basic dTpw'])
    assert.equal(twice([first, 'Bearer sk-first-key']), tenant, first);
  assert.throws(() => twice(['', 'Bearer none']), { code: 'invalid_api_key' });
});

test('what is wrong with a header is said, and nothing of what it held', () => {
  const secret = 'sk-secret-of-somebody';
  for (const [header, code, words] of [
    ['Bearer', 'missing_api_key', /follows Bearer in the header authorization/],
    ['Bearer Bearer ', 'missing_api_key', /follows Bearer/],
    [`Basic ${secret}`, 'missing_api_key', /another scheme/],
    [`Token ${secret}`, 'missing_api_key', /another scheme/],
    [`Bearer ${secret} ${secret}`, 'invalid_api_key', /a blank/],
    [`Bearer ${secret.repeat(40)}`, 'invalid_api_key', /longer than 512/],
    [`Bearer ${secret}`, 'invalid_api_key', /not valid/],
    ['', 'missing_api_key', /No API key was given/],
  ] as const)
    assert.throws(
      () => authenticate({ authorization: header }),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, code, header);
        assert.match(error.message, words);
        assert.ok(!error.message.includes('sk-'), error.message);
        return true;
      },
    );
});
