import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DispatchError, ERRORS, type ErrorCode, isErrorCode, toErrorBody } from './errors.ts';

const PAGE = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
const codes = Object.keys(ERRORS) as ErrorCode[];

test('docs/errors.md lists exactly the errors there are, with their status, type and text', () => {
  const rows = codes.map(code => {
    const { status, type, text } = ERRORS[code];
    return `| \`${code}\` | ${status} | ${type} | ${text} |`;
  });
  const listed = PAGE.split('\n').filter(line => line.startsWith('| `'));
  assert.deepEqual(listed, rows);
});

test('every error has all four keys of the envelope, and its status is one the SDKs know', () => {
  for (const code of codes) {
    const error = new DispatchError(code);
    assert.deepEqual(Object.keys(toErrorBody(error).error).sort(), ['code', 'message', 'param', 'type']);
    assert.ok(error.status >= 400 && error.status < 600);
    assert.ok(isErrorCode(code));
  }
  assert.ok(!isErrorCode('toString'));
});

test('errors that pass suggest when to try again', () => {
  for (const code of codes) {
    const { status, retryAfterMs, shouldRetry } = new DispatchError(code);
    const isRetried = (status === 429 || status === 503) && shouldRetry !== false;
    assert.equal(retryAfterMs !== undefined, isRetried, code);
  }
});
