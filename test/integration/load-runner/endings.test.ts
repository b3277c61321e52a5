/** How runs end: exit codes, and one clear line for whatever is wrong. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { scriptDirectory } from '../../../testkit/load-target.ts';

const MAIN = new URL('../../../loadtest/k6-runner/main.ts', import.meta.url).pathname;

interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  /** Lines of stderr. */
  readonly said: string[];
}

/** @param onLine may end the run. */
function start(
  args: readonly string[],
  onLine: (line: string, kill: () => void) => void = () => {},
): Promise<Ending> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', text => {
    stdout += text;
  });
  child.stderr.on('data', text => {
    stderr += text;
    onLine(String(text), () => child.kill('SIGINT'));
  });
  return new Promise(resolve =>
    child.on('exit', code => resolve({ code, stdout, said: stderr.split('\n').filter(line => line !== '') })),
  );
}

const EMPTY = 'export default function () {}';

/** What is wrong, the script, exit code, and what the last line says; null: nothing is wrong. */
const ENDINGS: readonly (readonly [string, string, number, RegExp | null])[] = [
  ['syntax error', `${EMPTY}\nconst x = ;`, 107, /^SyntaxError: .* \(script-\d+\.ts:2\)$/],
  ['unerasable TypeScript', `enum A { x }\n${EMPTY}`, 107, /enum is not supported .*\.ts:1/],
  [
    'exception at the top',
    `throw new Error('no data');\n${EMPTY}`,
    107,
    /^Error: no data \(script-\d+\.ts:1\)$/,
  ],
  ['missing file', `import './nowhere.ts';\n${EMPTY}`, 107, /Cannot find module .*nowhere\.ts/],
  ['unknown module', `import 'k6/browser';\n${EMPTY}`, 107, /^import 'k6\/browser'/],
  ['module of Node', `import 'node:fs';\n${EMPTY}`, 107, /^import 'node:fs'/],
  ['unknown export', `import { nothing } from 'k6/http';\n${EMPTY}`, 107, /'k6\/http'.*'nothing'/],
  [
    'unknown name',
    `import http from 'k6/http'; export default () => { http.nothing(); }`,
    107,
    /^k6\/http nothing/,
  ],
  [
    'synchronous call, caught',
    `import http from 'k6/http'; export default () => { try { http.get('x'); } catch {} }`,
    107,
    /^http\.get\(\): it is synchronous; write `await http\.asyncRequest/,
  ],
  ['sleep', `import { sleep } from 'k6'; export default () => { sleep(1); }`, 107, /^sleep\(\)/],
  ['global of Node', 'export default () => fetch("http://x");', 107, /^fetch: it is Node's/],
  ['another', 'export default () => new WebSocket("ws://127.0.0.1:1");', 107, /^WebSocket: it is Node's/],
  [
    'user name in a URL',
    `import http from 'k6/http'; export default () => http.asyncRequest('GET', 'http://me:secret@127.0.0.1:1');`,
    107,
    /^a user name in a URL: send an authorization header/,
  ],
  [
    'no sample yet for a threshold that aborts',
    `import { Counter } from 'k6/metrics'; const done = new Counter('done');
     export const options = { iterations: 1, thresholds: { done: [{ threshold: 'count>0', abortOnFail: true }] } };
     export default async () => { await new Promise(end => setTimeout(end, 1300)); done.add(1); }`,
    0,
    null,
  ],
  [
    'request parameter',
    `import http from 'k6/http'; export default () => http.asyncRequest('GET', 'http://127.0.0.1:1', null, { jar: 1 });`,
    107,
    /parameter 'jar'/,
  ],
  [
    'execution name',
    `import exec from 'k6/execution'; export default () => exec.vu.name;`,
    107,
    /^k6\/execution vu\.name/,
  ],
  ['unknown option', `export const options = { rps: 5 };\n${EMPTY}`, 104, /^options has 'rps'/],
  [
    'wrong threshold',
    `export const options = { thresholds: { checks: ['p95<1'] } };\n${EMPTY}`,
    104,
    /^invalid threshold on checks: 'p95<1'/,
  ],
  [
    'threshold without metric',
    `export const options = { thresholds: { chekcs: ['rate>0'] } };\n${EMPTY}`,
    104,
    /no metric 'chekcs'/,
  ],
  ['no function', `export const other = 1;`, 104, /exports no function 'default'/],
  [
    'setup throws',
    `${EMPTY}\nexport function setup() { throw new Error('no key'); }`,
    107,
    /^setup\(\) failed: Error: no key/,
  ],
  [
    'setup returns what is not JSON',
    `${EMPTY}\nexport function setup() { const a = {}; a.a = a; return a; }`,
    107,
    /^setup\(\) returned what is not JSON: Converting circular structure/,
  ],
  [
    'setup hangs',
    `${EMPTY}\nexport const options = { setupTimeout: '100ms' };\nexport const setup = () => new Promise(done => setTimeout(done, 60000));`,
    100,
    /^setup\(\) took longer than 0\.1 s/,
  ],
  [
    'every iteration throws',
    `export const options = { iterations: 3 };\nexport default () => { nothing(); }`,
    107,
    /^every iteration failed: ReferenceError: nothing is not defined \(script-\d+\.ts:2\)$/,
  ],
  [
    'nothing listens',
    `import http from 'k6/http'; export default () => http.asyncRequest('GET', 'http://127.0.0.1:1/v1');`,
    120,
    /^no request got through: http:\/\/127\.0\.0\.1:1: dial: connection refused$/,
  ],
  [
    'threshold crossed',
    `export const options = { thresholds: { iterations: ['count>5'] } };\n${EMPTY}`,
    99,
    /^thresholds crossed: iterations count>5$/,
  ],
  [
    'aborted by a threshold',
    `export const options = { vus: 1, duration: '60s', thresholds: { checks: [{ threshold: 'rate>0.5', abortOnFail: true }] } };
     import { check } from 'k6';
     export default async () => { check(1, { never: () => false }); await new Promise(done => setTimeout(done, 50)); }`,
    99,
    /^threshold crossed, the test was aborted: checks rate>0\.5$/,
  ],
  [
    'aborted by the script',
    `import exec from 'k6/execution';
     export const options = { vus: 2, duration: '60s' };
     export default () => { exec.test.abort('enough'); }`,
    108,
    /^test aborted: enough$/,
  ],
  [
    'failed by the script',
    `import exec from 'k6/execution'; export default () => exec.test.fail('bad');`,
    110,
    /^test failed: bad$/,
  ],
];

test('each ending has its exit code and says in one line what to mend', { concurrency: 2 }, async t => {
  await using scripts = await scriptDirectory();
  const running = ENDINGS.map(([name, text, code, last]) =>
    t.test(name, async () => {
      const ending = await start([await scripts.script(text), '--quiet']);
      const lines = ending.said.filter(line => !/^(WARN|INFO|ERRO) /.test(line));
      assert.equal(lines.length, last === null ? 0 : 1, ending.said.join('\n'));
      if (last !== null) assert.match(lines[0] ?? '', last);
      assert.equal(ending.code, code);
      assert.ok(!ending.said.some(line => line.startsWith('    at ')), 'no stack trace');
    }),
  );
  await Promise.all(running);
});

test('a wrong command line is one line', async () => {
  await using scripts = await scriptDirectory();
  const ok = await scripts.script(EMPTY);
  for (const [args, said] of [
    [[], /needs exactly one script/],
    [['a.ts', '--fast'], /Unknown option '--fast'/],
    [['a.ts', '--duration', '-5s'], /^Option '--duration' argument is ambiguous; --help/],
    [['a.ts', '--vus', 'many'], /--vus many: must be a whole number/],
    [['a.ts', '-e', 'KEY'], /write KEY=VALUE/],
    [['a.ts', '--out', 'csv=x'], /writes json=FILE/],
    [['a.ts', '--out', 'json=x', '--out', 'json=y'], /--out may be given once/],
    [[ok, '--out', 'json=/nowhere/at/all.json'], /cannot write the samples: ENOENT/],
    [['nowhere.ts'], /there is no script nowhere\.ts/],
  ] as const) {
    const ending = await start(args);
    assert.notEqual(ending.code, 0);
    assert.equal(ending.said.length, 1, ending.said.join('\n'));
    assert.match(ending.said[0] ?? '', said);
  }
});

test('Ctrl-C: what runs is cut off, teardown and table still come', async () => {
  await using scripts = await scriptDirectory();
  const path = await scripts.script(`
export const options = { vus: 2, duration: '60s' };
export default () => new Promise(done => setTimeout(done, 50));
export function teardown() { console.log('tidied up'); }`);
  const ending = await start([path], (line, kill) => {
    if (line.startsWith('running')) kill();
  });
  assert.equal(ending.code, 105);
  assert.ok(ending.said.includes('INFO tidied up'));
  assert.match(ending.stdout, /iterations \.+ \d+/);
  assert.match(ending.said.at(-1) ?? '', /the run was interrupted/);
});
