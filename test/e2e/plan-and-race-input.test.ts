/** What can be wrong on the command lines of `npm run plan`, `npm run race` and those that take nothing: one line that says so, and an exit code. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';

const ROOT = resolve(import.meta.dirname, '../..');
const MOONCAKE = 'mooncake/conversation_trace.jsonl.gz';
const AZURE = 'azure-2023/AzureLLMInferenceTrace_code.csv.gz';
const AGENTIC = 'agentic-coding/claude_code_conversations.rle.jsonl.gz';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-traces-'));
});
after(() => rm(directory, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** The program of an npm script, which is all that `npm run` and what finds a Node for it start once there is one. */
function programOf(script: string): string {
  const program = /^(?:exec )?node deploy\/local\/with-node\.mjs (\S+\.ts)$/.exec(scripts[script] ?? '')?.[1];
  assert.ok(program, `npm run ${script}: ${scripts[script]}`);
  return program;
}

function run(script: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return ended(process.execPath, [programOf(script), ...args], env);
}

function ended(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: '', ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', text => {
    stdout += text;
  });
  child.stderr.on('data', text => {
    stderr += text;
  });
  return new Promise(done => child.on('close', code => done({ code, stdout, stderr })));
}

function assertRefused(ended: Ended, message: RegExp): void {
  assert.equal(ended.code, 2, ended.stderr);
  assert.match(ended.stderr, message);
  assert.equal(ended.stderr.trim().split('\n').length, 1, 'one line, no stack trace');
  assert.equal(ended.stdout, '');
}

const ARGUMENTS: [script: string, args: string[], message: RegExp][] = [
  ['plan', ['--scenario', 'nope'], /no scenario nope; there are uneven/],
  ['plan', ['--policy', 'nope'], /no policy nope; there are round-robin/],
  ['plan', ['--load', '0'], /--load must be a number above 0/],
  ['plan', ['--engines', '1e9'], /--engines must be a whole number from 1 to 100000/],
  ['plan', ['--seed', '1.5'], /--seed must be a whole number/],
  ['plan', ['--seconds', '1e-9'], /no requests in its first 1e-9 s; raise --seconds/],
  ['plan', ['--bogus'], /Unknown option '--bogus'/],
  ['race', ['--scenario', 'nope'], /no scenario nope; there are uneven/],
  ['race', ['--contender', 'nope'], /no contender nope; there are penstock/],
  ['race', ['--rounds', '1.5'], /--rounds must be a whole number from 1 to 100/],
  [
    'start',
    ['--port', '9000'],
    /npm start takes no options \(--port\)\. Its settings are environment variables/,
  ],
  ['bench', ['--help'], /npm run bench takes the name of one part at most \(cases, .*\), not --help/],
  ['chaos', ['--help'], /Unknown option '--help'\. Usage: npm run chaos \[-- --simulate/],
  ['chaos', ['--simulate', '--seeds', '0'], /--seeds must be a whole number from 1 to 10000000\./],
  ['chaos', ['--seed', '3'], /--seed needs --simulate, or --requests, --minutes or --faults\./],
  ['conformance', ['--help'], /npm run conformance -- api\|engines\|clients/],
  ['race', ['--speed', 'fast'], /--speed must be a number above 0/],
];
for (const [script, args, message] of ARGUMENTS) {
  test(`npm run ${script} -- ${args.join(' ')}`, async () => assertRefused(await run(script, args), message));
}

test('a race without its router says how to install it, and starts nothing', async () => {
  const nowhere = join(directory, 'no-venv');
  const ended = await run('race', ['--dry', '--seconds', '1'], { PENSTOCK_RACE_VENV: nowhere });
  assertRefused(ended, /no sglang-router==0\.3\.2 to race against; run: python3 -m venv \S+no-venv && /);
});

test('npm passes on the arguments, the words on stderr and the exit code', async () => {
  const [script, args, message] = ['plan', ['--bogus'], /Unknown option '--bogus'/] as const;
  assertRefused(await ended('npm', ['run', '--silent', script, '--', ...args]), message);
});

const head = 'TIMESTAMP,ContextTokens,GeneratedTokens\n';
const at = (time: string) => `2023-11-16 ${time},48,8\n`;
const turn = (ms: number) => `{"timestamp":${ms},"input_length":5,"output_length":5,"hash_ids":[]}\n`;
const TRACES: [about: string, scenario: string, file: string, text: string, message: RegExp][] = [
  ['empty', 'uneven', MOONCAKE, '', /: no requests in it/],
  ['malformed', 'uneven', MOONCAKE, `${turn(0)}{`, /gz:2: not a request of the Mooncake format/],
  ['unsorted', 'uneven', MOONCAKE, turn(9) + turn(1), /gz:2: time goes backwards; sort it/],
  ['empty', 'azure-code', AZURE, head, /: no requests in it/],
  ['malformed', 'azure-code', AZURE, `${head}2023-11-16 18:17:03,48,\n`, /gz:2: not TIMESTAMP,/],
  ['unsorted', 'azure-code', AZURE, head + at('18:17:03') + at('18:15:03'), /gz:3: time goes backwards/],
  ['empty', 'agentic', AGENTIC, '\n', /: no requests in it/],
  [
    'malformed',
    'agentic',
    AGENTIC,
    '{"block_size":64,"requests":[{"t":5,"in":-3,"out":1,"type":"s"}]}',
    /gz:1: not a conversation/,
  ],
];
for (const [about, scenario, file, text, message] of TRACES) {
  test(`a trace that is ${about}: ${scenario}`, async () => {
    await mkdir(join(directory, file, '..'), { recursive: true });
    await writeFile(join(directory, file), gzipSync(text));
    const ended = await run('plan', ['--scenario', scenario, '--seconds', '5'], {
      PENSTOCK_TRACES: directory,
    });
    assertRefused(ended, message);
  });
}

test('a trace that is no gzip file, and a directory that lacks it, to the race as well', async () => {
  const env = { PENSTOCK_TRACES: directory };
  await writeFile(join(directory, MOONCAKE), 'plain text');
  const args = ['--dry', '--contender', 'penstock', '--seconds', '5'];
  assertRefused(await run('race', args, env), /not a gzip file; fetch it again/);
  await rm(join(directory, MOONCAKE));
  assertRefused(await run('race', args, env), /PENSTOCK_TRACES has no mooncake\/.*; unset it/);
});
