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
    { authorization: 'sk-first-key' },
    { 'x-api-key': '' },
    { 'x-api-key': 'sk-first-key '.repeat(60) },
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
  ])
    assert.equal(refused(headers as Record<string, string>), 'invalid_api_key');
});
