/** What `npm test` says at the end. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { after, test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..');
const dir = mkdtempSync(join(tmpdir(), 'penstock-run-'));
after(() => rmSync(dir, { recursive: true, force: true }));

/** Runs a test file of this content as `npm test -- FILE …` does. */
function run(name: string, content: string, ...args: readonly string[]) {
  const file = join(dir, `${name}.test.ts`);
  writeFileSync(file, `import { test } from 'node:test';\n${content}`);
  const env = {
    ...process.env,
    NODE_OPTIONS: '',
    NODE_TEST_CONTEXT: undefined,
    PENSTOCK_TEST_KEPT_ALIVE_MS: '100',
  };
  const ran = spawnSync(process.execPath, ['test/run.ts', file, ...args], {
    cwd: ROOT,
    env,
    encoding: 'utf8',
  });
  return {
    file: relative(ROOT, file),
    code: ran.status,
    out: ran.stdout,
    last: ran.stdout.trimEnd().split('\n'),
  };
}

const TWO = `
  test("one (it's)", async t => {
    await t.test('fine', () => {});
    await t.test('broken', () => { throw new Error('as told'); });
  });
  test('two', () => { console.log('two ran'); });`;

test('the last line names the test that failed and the command that runs it alone', () => {
  const { code, out, last, file } = run('fails', TWO);
  assert.equal(code, 1);
  assert.match(out, /ℹ tests 4\n/);
  assert.equal(
    last.at(-1),
    `FAILED  ${file} › one (it's) › broken   (alone: npm test -- ${file} 'one (it'\\''s)')`,
  );
  assert.equal(last.filter(line => line.startsWith('FAILED  ../')).length, 1, 'and only what failed itself');
});

test('one test runs alone, with those inside it', () => {
  const { code, out } = run('alone', TWO, "one (it's)");
  assert.equal(code, 1);
  assert.match(out, /✔ fine/);
  assert.doesNotMatch(out, /two ran/);
  assert.equal(run('alone', TWO, 'two').code, 0);
  assert.equal(run('alone', TWO, 'three').code, 1, 'a name that no test has');
});

test('a file that ends outside of its tests is named', () => {
  const { code, last, file } = run('ends', `test('fine', () => {});\nprocess.exit(3);`);
  assert.equal(code, 1);
  assert.equal(last.at(-1), `FAILED  ${file}   (alone: npm test -- ${file})`);
});

test('a file that something keeps alive after its tests is ended and named', () => {
  const { code, out, last, file } = run('left', `test('fine', () => void setInterval(() => {}, 1000));`);
  assert.equal(code, 1);
  assert.match(out, /✔ fine/);
  assert.equal(last.at(-1), `FAILED  ${file}   (alone: npm test -- ${file})`);
});

test('what is not a test file is refused', () => {
  const ran = spawnSync(process.execPath, ['test/run.ts', '--help'], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(ran.status, 2);
  assert.match(ran.stderr, /--help is not a test file\. Usage: npm test \[-- FILE \[TEST\]\]/);
});
