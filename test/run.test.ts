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

function testFile(name: string, content: string): string {
  const file = join(dir, `${name}.test.ts`);
  writeFileSync(file, `import { test } from 'node:test';\n${content}`);
  return file;
}

function runNode(...args: readonly string[]) {
  const env = {
    ...process.env,
    NODE_OPTIONS: '',
    NODE_TEST_CONTEXT: undefined,
    PENSTOCK_TEST_KEPT_ALIVE_MS: '100',
  };
  const ran = spawnSync(process.execPath, args, { cwd: ROOT, env, encoding: 'utf8' });
  const { status: code, stdout: out, stderr: err } = ran;
  return { code, out, err, last: out.trimEnd().split('\n') };
}

/** Runs a test file of this content as `npm test -- FILE …` does. */
function run(name: string, content: string, ...args: readonly string[]) {
  const file = testFile(name, content);
  return { file: relative(ROOT, file), ...runNode('test/run.ts', file, ...args) };
}

/** Runs these files as `npm test` runs unit tests: two groups, with a process for each. */
function runGroups(...files: readonly string[]) {
  const paths = JSON.stringify(files.map(file => relative(ROOT, file)));
  const script = `import { groupedTests, runStages } from './test/stages.ts';
    process.exit((await runStages([groupedTests('unit', ${paths}, 2)])) ? 0 : 1);`;
  return runNode('--input-type=module', '--eval', script);
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

test('of files that share a process each counts for itself, and the one that failed is named', () => {
  const fine = ['a', 'b', 'c'].map(name => testFile(name, `test('${name} is fine', () => {});`));
  const { code, out } = runGroups(...fine);
  assert.equal(code, 0);
  for (const name of ['a', 'b', 'c']) assert.match(out, new RegExp(`✔ ${name} is fine`));

  const broken = testFile('d', TWO);
  const { code: failed, last } = runGroups(...fine, broken);
  assert.equal(failed, 1);
  assert.match(last.at(-1) ?? '', /^FAILED {2}\S+d\.test\.ts › one \(it's\) › broken /);
});

test('files that share a process fail where one ends it, or keeps it alive', () => {
  const fine = testFile('a', `test('fine', () => {});`);
  assert.equal(runGroups(fine, testFile('ends', `test('it ends', () => process.exit(0));`)).code, 1);
  const { code, err } = runGroups(
    fine,
    testFile('left', `test('it', () => void setInterval(() => {}, 1e3));`),
  );
  assert.equal(code, 1);
  assert.match(err, /kept alive after its tests by: .*Timeout/);
});

test('what is not a test file is refused', () => {
  const { code, err } = runNode('test/run.ts', '--help');
  assert.equal(code, 2);
  assert.match(err, /--help is not a test file\. Usage: npm test \[-- FILE \[TEST\]\]/);
});
