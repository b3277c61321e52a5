/** No key is in the repository: a copy of it is public for ever. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { secretsIn } from '../deploy/supply-chain/secrets.ts';

const ROOT = resolve(import.meta.dirname, '..');
/** Larger files are data. */
const MOST_BYTES = 1024 * 1024;

/** Look like keys and are none: with what they are. */
const FIXTURES: Readonly<Record<string, string>> = {
  'services/tasks/webhooks/event-sender.test.ts': 'the example of the Standard Webhooks specification',
};

test('no tracked file has a key in it, but for the fixtures named here', t => {
  const { status, stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) return t.skip('this is no checkout of git');
  const paths = stdout.split('\0').filter(path => path !== '' && existsSync(join(ROOT, path)));
  assert.ok(paths.length > 500);
  const found = new Map<string, string[]>();
  for (const path of paths) {
    const file = join(ROOT, path);
    if (statSync(file).isDirectory() || statSync(file).size > MOST_BYTES) continue;
    const secrets = secretsIn(readFileSync(file, 'latin1'));
    if (secrets.length > 0)
      found.set(
        path,
        secrets.map(({ what, line }) => `${path}:${line}: ${what}`),
      );
  }
  assert.deepEqual(
    [...found.values()].flat().filter(at => !((at.split(':')[0] ?? '') in FIXTURES)),
    [],
  );
  assert.deepEqual([...found.keys()].sort(), Object.keys(FIXTURES).sort(), 'a fixture that is none any more');
});

/** Put together here, so that this file has none. */
const KEYS: Readonly<Record<string, string>> = {
  'a private key': `-----BEGIN ${'OPENSSH PRIVATE KEY'}-----`,
  'an API key (sk-)': `OPENAI_API_KEY=${'sk'}-proj-${'Ab1'.repeat(12)}`,
  'an AWS key': `${'AK'}IA${'ABCDEFGH12345678'}`,
  'an AWS secret': `aws_secret_access_key = ${'a1B2'.repeat(10)}`,
  'a GitHub token': `"${'gh'}p_${'a'.repeat(36)}"`,
  'a GitLab token': `${'gl'}pat-${'x'.repeat(20)}`,
  'an npm token': `//registry.npmjs.org/:_auth${'Token'}=${'abcde-12345-abcde-12345'}`,
  'a Slack token': `${'xo'}xb-123456789012-abc`,
  'a Google key': `${'AI'}za${'b'.repeat(35)}`,
  'a Hugging Face token': `${'h'}f_${'c'.repeat(34)}`,
  'a webhook secret': `${'wh'}sec_${'d'.repeat(43)}=`,
  'a NATS seed': `${'SU'}${'A'.repeat(56)}`,
  'a JSON web token': `${'ey'}J${'h'.repeat(20)}.eyJ${'i'.repeat(20)}.${'j'.repeat(20)}`,
};

test('keys of every kind are found, and where; what only resembles one is not', () => {
  for (const [what, key] of Object.entries(KEYS))
    assert.deepEqual(secretsIn(`first line\nx: ${key}\n`), [{ what, line: 2 }], what);
  for (const fine of ['sk-penstock-test-key', 'task-abcdefghijklmnopqrstuvwxyz123', 'sk-…', 'whsec_…'])
    assert.deepEqual(secretsIn(fine), [], fine);
});
