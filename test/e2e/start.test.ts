/** `npm start` as its user sees it: ready, answering, repairing itself, refusing what cannot work, leaving nothing behind. */
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { startNats } from '../../testkit/nats.ts';
import { freePort } from '../../testkit/ports.ts';
import { type ServiceProcess, startProcess, startService } from '../../testkit/process.ts';
import { waitFor } from '../../testkit/stack.ts';

const START = resolve(import.meta.dirname, '../../deploy/local/start.ts');
const dir = mkdtempSync(join(tmpdir(), 'penstock-start-'));
const servers = [process.env['PENSTOCK_TEST_NATS_SERVER'], process.env['PENSTOCK_TEST_REDIS_SERVER']];
const PATH = [...servers.flatMap(path => (path ? [dirname(path)] : [])), process.env['PATH']].join(delimiter);
let env: Record<string, string>;
let start: ServiceProcess;

before(async () => {
  const [api, console] = [String(await freePort()), String(await freePort())];
  env = { PATH, PENSTOCK_DATA_DIR: dir, PENSTOCK_PORT: api, PENSTOCK_CONSOLE_PORT: console };
  start = await startProcess(
    process.execPath,
    [START],
    { readyWhen: line => line.includes('Ctrl-C stops it') },
    { ...env, PENSTOCK_NATS_CIPHER: 'aes' },
  );
});
after(async () => {
  await start.stop();
  rmSync(dir, { recursive: true, force: true });
});

const url = () => `http://127.0.0.1:${env['PENSTOCK_PORT']}`;
const pidOf = (name: string) => Number(readFileSync(join(dir, 'run', `${name}.pid`), 'utf8'));

/** A second start with other settings, to its end. */
function startAgain(other: Record<string, string>) {
  const { status, stderr } = spawnSync(process.execPath, [START], {
    env: { ...process.env, ...env, ...other },
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stderr };
}

async function streamOnce(): Promise<string> {
  const key = readFileSync(join(dir, 'api-key'), 'utf8').trim();
  const response = await fetch(`${url()}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim-chat', stream: true, messages: [{ role: 'user', content: 'Hello' }] }),
  });
  assert.equal(response.status, 200);
  return response.text();
}

test('it prints what to paste, and that works', async () => {
  assert.ok(
    start.output.some(line => line.includes('curl -iN')) &&
      start.output.some(line => line.includes('from openai')),
  );
  assert.match(await streamOnce(), /data: \[DONE\]/);
});

test('it prints where the console is and what to log in with, and that works', async () => {
  const said = (word: string) =>
    start.output.map(line => new RegExp(`^  ${word} +(\\S+)$`).exec(line)?.[1]).find(Boolean) ?? '';
  const answer = await fetch(`${said('Console')}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: said('Login') }),
  });
  assert.equal(answer.status, 200);
});

test('others of the machine cannot look into its data, and webhooks cannot reach its servers', async () => {
  const open = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter(
    // NATS makes and removes files meanwhile.
    name => (statSync(join(dir, name), { throwIfNoEntry: false })?.mode ?? 0) & 0o077,
  );
  assert.deepEqual([statSync(dir).mode & 0o777, open], [0o700, []]);
  const servers = JSON.parse(readFileSync(join(dir, 'servers.json'), 'utf8')) as Record<string, string>;
  const key = readFileSync(join(dir, 'api-key'), 'utf8').trim();
  const ports = Object.values(servers).map(server => new URL(server).port);
  for (const port of [...ports, env['PENSTOCK_PORT'], env['PENSTOCK_CONSOLE_PORT']]) {
    const answer = await fetch(`${url()}/v1/webhook_endpoints`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ url: `http://localhost:${port}/`, events: ['job.completed'] }),
    });
    assert.equal(answer.status, 400, `${port}: ${await answer.text()}`);
  }
});

test('where it is set, NATS encrypts what it stores', async () => {
  const key = readFileSync(join(dir, 'api-key'), 'utf8').trim();
  const marker = 'marker-of-a-prompt-5e1d';
  const job = await fetch(`${url()}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      prefer: 'respond-async, wait=20',
    },
    body: JSON.stringify({ model: 'sim-chat', messages: [{ role: 'user', content: marker }] }),
  });
  assert.equal(job.status, 200);
  const files = readdirSync(join(dir, 'nats'), { recursive: true, withFileTypes: true }).filter(each =>
    each.isFile(),
  );
  assert.ok(
    files.some(({ name }) => name === 'meta.key'),
    files.map(({ name }) => name).join(' '),
  );
  for (const { name, parentPath } of files)
    assert.ok(!readFileSync(join(parentPath, name)).includes(marker), join(parentPath, name));
});

test('whoever else reaches the ports of NATS and Redis gets nothing, and commands beside the stack get in by themselves', async () => {
  const servers = JSON.parse(readFileSync(join(dir, 'servers.json'), 'utf8')) as Record<string, string>;
  const { nats = '', redis = '' } = servers;
  const ask = (url: string, words: string) =>
    new Promise<string>((done, fail) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(words));
      let answer = '';
      socket.setEncoding('utf8').on('error', fail);
      socket.on('data', text => {
        answer += text;
        if (/-ERR|NOAUTH|PONG/.test(answer)) socket.destroy();
      });
      socket.on('close', () => done(answer));
    });
  assert.match(await ask(nats, 'CONNECT {"verbose":false}\r\nPING\r\n'), /-ERR 'Authorization Violation'/);
  assert.match(await ask(redis, 'PING\r\n'), /^-NOAUTH/);
  const command = async (program: string, ...args: string[]) => {
    const file = resolve(import.meta.dirname, '../../deploy', program);
    const clean = { ...process.env, NODE_TEST_CONTEXT: '', NODE_OPTIONS: '', PENSTOCK_DATA_DIR: dir };
    return new Promise<string>(done =>
      execFile(process.execPath, [file, ...args], { env: clean }, (_, out, err) => done(out + err)),
    );
  };
  const [letters, life, log] = await Promise.all([
    command('dlq/main.ts', 'list'),
    command('explain/main.ts', 'nobody'),
    command('admin/main.ts', 'audit', 'verify'),
  ]);
  assert.equal(letters, 'no dead letters\n');
  assert.match(life, /nothing is known of nobody/);
  assert.match(log, /^whole: \d+ entries/);
});

/** Blocks of shell commands of a page. */
function snippets(page: string): string[] {
  const text = readFileSync(resolve(import.meta.dirname, '../..', page), 'utf8');
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(match => match[1] ?? '');
}

/** Runs what a page shows as it is pasted, but for the ports, where it finds the keys of this stack. */
async function paste(
  commands: string,
  receiver: number,
  ready: (output: string) => boolean,
): Promise<string> {
  const cwd = mkdtempSync(join(tmpdir(), 'penstock-paste-'));
  symlinkSync(dir, join(cwd, '.penstock'));
  const script = commands.replaceAll('127.0.0.1:8080', `127.0.0.1:${env['PENSTOCK_PORT']}`);
  const shell = spawn('sh', ['-e', '-c', script.replaceAll('9000', String(receiver))], {
    ...{ cwd, detached: true },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>(done => shell.once('close', () => done()));
  try {
    let output = '';
    for (const stream of [shell.stdout, shell.stderr])
      stream.setEncoding('utf8').on('data', text => {
        output += text;
      });
    await waitFor(() => ready(output) || shell.exitCode !== null);
    if (!ready(output)) await waitFor(() => ready(output)).catch(() => assert.fail(output));
    return output;
  } finally {
    try {
      // With what it left in the background.
      if (shell.pid !== undefined) process.kill(-shell.pid, 'SIGKILL');
    } catch {
      // Nothing is left.
    }
    await ended;
    rmSync(cwd, { recursive: true, force: true });
  }
}

test('what README and the page on async work show to paste works as it is', async () => {
  const curls = snippets('README.md').filter(commands => commands.includes('curl -N'));
  const blocks = [...curls, ...snippets('docs/async.md')];
  assert.equal(blocks.length, 6);
  const output = await paste(blocks.join('\n'), await freePort(), text =>
    text.includes('"type":"response.incomplete"'),
  );
  assert.match(output, /"custom_id":"line-3"/);
  assert.match(output, /data: \[DONE\]/);
  assert.match(output, /"object":"chat\.completion"/);
});

test('what README shows of a worker that is killed in the middle of an answer is so, and it is started again', async () => {
  const [commands = '', ...others] = snippets('README.md').filter(text => text.includes('kill -9'));
  assert.equal(others.length, 0);
  const pids = () => ['worker-1', 'worker-2'].map(pidOf);
  const before = pids();
  const output = await paste(commands, await freePort(), text => text.includes('[DONE]'));
  assert.match(output, /"finish_reason":"length"/);
  await waitFor(() => pids().filter((pid, i) => pid !== before[i]).length === 1);
  assert.match(await streamOnce(), /data: \[DONE\]/);
});

test('what cannot work is refused in one line that names the remedy', async () => {
  const other = mkdtempSync(join(tmpdir(), 'penstock-start-'));
  const small = await startNats('1MB');
  await using nats = Object.assign(await startNats(), {
    async [Symbol.asyncDispose]() {
      await Promise.all([nats.stop(), small.stop()]);
      rmSync(other, { recursive: true, force: true });
    },
  });
  const ports = { PENSTOCK_PORT: String(await freePort()), PENSTOCK_CONSOLE_PORT: String(await freePort()) };
  const free = { PENSTOCK_DATA_DIR: other, ...ports };
  const dead = await freePort();
  for (const [settings, message] of [
    [{}, /in use by process \d+: .*PENSTOCK_DATA_DIR/],
    [{ PENSTOCK_DATA_DIR: other }, /port \d+ on 127\.0\.0\.1 is taken: .*PENSTOCK_PORT/],
    [{ PENSTOCK_DATA_DIR: other, PENSTOCK_PORT: ports.PENSTOCK_PORT }, /is taken: .*PENSTOCK_CONSOLE_PORT/],
    [{ ...free, PENSTOCK_PORT: 'abc' }, /PENSTOCK_PORT: must be a whole number from 1 to 65535/],
    [{ ...free, PENSTOCK_WORKERS: '0' }, /PENSTOCK_WORKERS: /],
    [{ ...free, PENSTOCK_ENGINES: 'gpu' }, /PENSTOCK_ENGINES.*http/],
    // What only a service takes is told as soon, and before anything is started.
    [{ ...free, PENSTOCK_SLOTS: 'abc' }, /PENSTOCK_SLOTS: /],
    [{ ...free, PENSTOCK_QUEUE_MAX_BYTES: '5' }, /PENSTOCK_QUEUE_MAX_BYTES: /],
    [{ ...free, PENSTOCK_SIM_SLOWDOWN: '0' }, /PENSTOCK_SIM_SLOWDOWN: /],
    [{ ...free, PENSTOCK_NATS_URL: `wss://127.0.0.1:${dead}` }, /PENSTOCK_NATS_URL: give it as nats:/],
    [{ ...free, PENSTOCK_NATS_URL: `nats://127.0.0.1:${dead}` }, /PENSTOCK_NATS_URL: no nats-server answers/],
    [
      { ...free, PENSTOCK_NATS_CIPHER_KEY: 'a key for nothing' },
      /PENSTOCK_NATS_CIPHER is not: set that to aes/,
    ],
    [{ ...free, PENSTOCK_NATS_URL: nats.url, PENSTOCK_NATS_CIPHER: 'aes' }, /has a configuration of its own/],
    [{ ...free, PENSTOCK_NATS_URL: small.url }, /PENSTOCK_NATS_URL: .*max_payload: 8MB/],
    [
      { ...free, PENSTOCK_NATS_URL: nats.url, PENSTOCK_REDIS_URL: `redis://127.0.0.1:${dead}` },
      /PENSTOCK_REDIS_URL: no Redis/,
    ],
  ] as const) {
    const { status, stderr } = startAgain(settings);
    assert.match(stderr, message);
    assert.ok(status !== 0 && stderr.trim().split('\n').length === 1, stderr);
  }
});

/** A stack of its own, with other settings, whose lines are collected. */
async function startOther(t: TestContext, settings: Record<string, string>, readyWhen: RegExp) {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-start-'));
  const ports = { PENSTOCK_PORT: String(await freePort()), PENSTOCK_CONSOLE_PORT: String(await freePort()) };
  const other = await startProcess(
    process.execPath,
    [START],
    { readyWhen: line => readyWhen.test(line) },
    { ...env, ...ports, PENSTOCK_DATA_DIR: dataDir, ...settings },
  );
  t.after(async () => {
    await other.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return other;
}

test('what a service refuses when it starts ends the start at once, in its words', async t => {
  const other = await startOther(t, { PENSTOCK_WEBHOOKS: '{' }, /penstock: PENSTOCK_WEBHOOKS: /);
  await other.exited;
  assert.ok(!other.output.some(line => line.includes('starting it again')), other.output.join('\n'));
});

test('a setting from a file reaches the services that it is meant for', async t => {
  const nats = await startNats();
  const files = mkdtempSync(join(tmpdir(), 'penstock-start-'));
  t.after(() => Promise.all([nats.stop(), rmSync(files, { recursive: true })]));
  writeFileSync(join(files, 'nats'), nats.url);
  await startOther(t, { PENSTOCK_NATS_URL_FILE: join(files, 'nats') }, /Ctrl-C stops it/);
});

test('an engine that is still loading is waited for by name, and Ctrl-C ends the waiting', async t => {
  const port = await freePort();
  const engines = { PENSTOCK_ENGINES: `http://127.0.0.1:${port}/v1` };
  const waits = new RegExp(`waiting for the engine at http://127\\.0\\.0\\.1:${port}: no answer yet`);
  const given = await startOther(t, engines, waits);
  given.kill('SIGINT');
  await given.exited;
  const patient = await startOther(t, engines, waits);
  const isUp = (line: string) => line.includes(String(port));
  const engine = await startService('engine-sim', { PENSTOCK_SIM_PORT: String(port) }, { readyWhen: isUp });
  t.after(() => engine.stop());
  await waitFor(() => patient.output.some(line => line.includes('Ctrl-C stops it')));
});

test('npm passes a signal on: its shell makes way', () => {
  // npm signals the shell that it runs the script in. A shell that waits for its command would die and leave all running.
  const { scripts } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'));
  assert.match(scripts.start, /^exec node /);
  assert.match(scripts.load, /^exec node /);
});

test('Ctrl-C ends everything', async () => {
  const pids = readdirSync(join(dir, 'run')).map(file => pidOf(file.replace('.pid', '')));
  assert.ok(pids.length >= 7);
  start.kill('SIGINT');
  await start.exited;
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
  assert.deepEqual(readdirSync(join(dir, 'run')), []);
});
