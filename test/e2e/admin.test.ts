/**
 * Projects and keys on real servers, two ingress nodes and one Redis: from the shell and by the admin client of OpenAI's SDK. What the one makes
 * the other sees, what is revoked is refused by both nodes, and whoever tries keys is slowed down and seen.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tenantOfKey } from '@penstock/protocol';
import OpenAI from 'openai';
import { adminCommand } from '../../deploy/admin/command.ts';
import { API_KEY, chat, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ADMIN = 'an-admin-key-of-tests';
const PEPPER = 'a-pepper-of-tests-that-is-long-enough';

const FILE_KEY = 'a-key-of-the-file-of-tests';
const IN_FILE = `{ "projects": [
  { "id": "proj_in_file", "name": "In a file",
    "keys": [{ "name": "only", "sha256": "${hash('sha256', FILE_KEY)}" }] }
] }`;

let dir = '';
const file = (name = 'projects.json') => join(dir, name);
let stack: Stack;
let nodes: readonly string[] = [];
const logged: string[] = [];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'penstock-admin-'));
  await writeFile(file(), IN_FILE);
  stack = await startStack({
    engines: [{ profile: 'instant' }],
    ingressEnv: {
      ...{ PENSTOCK_ADMIN_KEYS: ADMIN, PENSTOCK_KEY_PEPPER: PEPPER, PENSTOCK_PROJECTS_FILE: file() },
    },
    onLine: (line, worker) => {
      if (worker === -1) logged.push(line);
    },
  });
  nodes = [stack.url, (await stack.addIngress('in-2')).url];
});
after(async () => {
  await stack?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** In this process: a new one for each takes longer than all that is tested here. `test/integration/audit-log.test.ts` runs the program. */
async function admin(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const wires = { PENSTOCK_REDIS_URL: stack.redis.url, PENSTOCK_KEY_PEPPER: PEPPER };
  delete process.env['PENSTOCK_PROJECTS_FILE'];
  Object.assign(process.env, { PENSTOCK_DATA_DIR: '/nowhere', ...wires, ...env });
  let [out, err] = ['', ''];
  const code = await adminCommand(args, {
    out: text => {
      out += text;
    },
    err: text => {
      err += text;
    },
  });
  return { code, out, err };
}

async function told<T>(...args: string[]): Promise<T> {
  const { code, out, err } = await admin([...args, '--json']);
  assert.equal(code, 0, err);
  return JSON.parse(out) as T;
}

/** As `200`, or the code of the error. @param node 0 or 1 */
async function asked(node: number, key: string): Promise<string> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const body = JSON.stringify(chat('hello', { max_tokens: 1 }));
  const answer = await fetch(`${nodes[node]}/v1/chat/completions`, { method: 'POST', headers, body });
  const said = (await answer.json()) as { error?: { code: string } };
  return said.error === undefined ? String(answer.status) : `${answer.status} ${said.error.code}`;
}

/** How long it takes until all nodes say so of a key, ms. */
async function untilAllSay(key: string, said: string): Promise<number> {
  const from = performance.now();
  await Promise.all(nodes.map((_, node) => waitFor(async () => (await asked(node, key)) === said)));
  return Math.round(performance.now() - from);
}

const clientOf = (node: number, key = ADMIN) =>
  new OpenAI({ baseURL: `${nodes[node]}/v1`, apiKey: '-', adminAPIKey: key, maxRetries: 0 }).admin
    .organization;

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

interface Keyed {
  readonly id: string;
  readonly value: string;
}

test('a shell makes a project and a key, which both nodes take; rotated, both keys live; revoked, none', async t => {
  const project = await told<{ id: string }>('projects', 'create', 'search');
  const made = await admin([
    'keys',
    'create',
    'search',
    '--name',
    'indexer',
    '--scopes',
    'chat',
    '--expires',
    '90d',
  ]);
  const [text = '', about = ''] = made.out.split('\n');
  const [id = ''] = about.split(' ');
  assert.match(text, /^sk-[0-9a-z]{16}-/);
  assert.match(about, new RegExp(`^key_[0-9a-z]{16} of ${project.id}, expires 20.*shown this one time$`));
  assert.deepEqual(await Promise.all([asked(0, text), asked(1, text)]), ['200', '200']);
  const listed = await admin(['keys', 'list', 'search']);
  assert.match(listed.out, /indexer +indexer +sk-\S+ +chat /);
  assert.ok(!listed.out.includes(text));
  assert.equal((await told<{ name: string }>('projects', 'rename', 'search', 'Search')).name, 'Search');
  assert.match(
    (await admin(['projects', 'models', 'Search', '--deny', 'sim-chat'])).out,
    /models +all but sim-chat/,
  );
  t.diagnostic(`a model was denied by both nodes in ${await untilAllSay(text, '404 model_not_found')} ms`);
  await told('projects', 'models', 'Search', '--all');
  const limits = 'rpm_limit=600,max_budget=2.5,budget_duration=30d,max_files=9,shadow=on';
  assert.equal((await admin(['projects', 'limit', 'Search', limits])).code, 0);
  await told('projects', 'limit', 'Search', 'rpm_limit=9000', '--model', 'sim-chat');
  const limited = await told<{ limits: object }>('projects', 'limit', 'Search', 'rpm_limit=none,shadow=off');
  assert.deepEqual(limited.limits, {
    '*': { max_budget: 2.5, budget_duration: 2_592_000, max_files: 9, shadow: 0 },
    'sim-chat': { rpm_limit: 9000 },
  });
  await untilAllSay(text, '200');
  const next = await told<Keyed>('keys', 'rotate', id, '--overlap', '1h');
  assert.deepEqual(await Promise.all([asked(0, text), asked(1, next.value)]), ['200', '200']);
  assert.equal((await admin(['keys', 'revoke', id])).code, 0);
  t.diagnostic(`a key was refused by both nodes in ${await untilAllSay(text, '401 invalid_api_key')} ms`);
  assert.equal(await asked(1, next.value), '200');
  assert.match((await admin(['projects', 'archive', 'Search'])).out, /archived +20/);
  await untilAllSay(next.value, '401 invalid_api_key');
  assert.match((await admin(['projects', 'list'])).out, /no projects/);
  assert.match((await admin(['projects', 'list', '--archived'])).out, new RegExp(project.id));
});

test('what a shell gets wrong is told with its remedy', async () => {
  const wrong: [string[], Record<string, string>, number, RegExp][] = [
    [['projects', 'show', 'nobody'], {}, 1, /No such project\. .* projects list --archived/],
    [['projects', 'limit', 'nobody', 'rpm=5'], {}, 2, /use max_requests_per_1_minute, .*max_files/],
    [['projects', 'limit', 'nobody', 'rpm_limit'], {}, 2, /LIMITS: say name=value/],
    [['projects', 'limit', 'nobody', 'rpm_limit=x'], {}, 2, /rpm_limit: give a number/],
    [['keys', 'revoke', 'key_nobody'], {}, 1, /No such key here.* keys list PROJECT/],
    [['keys', 'create', '--admin'], { PENSTOCK_KEY_PEPPER: '' }, 1, /PENSTOCK_KEY_PEPPER_FILE/],
    [
      ['keys', 'list', '--admin'],
      { PENSTOCK_REDIS_URL: 'redis://127.0.0.1:1' },
      1,
      /^admin: .*127\.0\.0\.1:1/,
    ],
    [
      ['keys', 'list', '--admin'],
      { PENSTOCK_KEY_PEPPER: 'short' },
      78,
      /PENSTOCK_KEY_PEPPER: each key needs 32/,
    ],
  ];
  for (const [args, env, code, says] of wrong) {
    const ran = await admin(args, env);
    assert.deepEqual([ran.code, ran.out], [code, ''], args.join(' '));
    assert.match(ran.err, says);
  }
});

test('the admin client of the SDK works at either node, and sees what the shell did', async t => {
  const one = clientOf(0).projects;
  const two = clientOf(1).projects;
  const project = await one.create({ name: 'team' });
  assert.equal((await two.retrieve(project.id)).name, 'team');
  const account = await two.serviceAccounts.create(project.id, { name: 'ci' });
  const text = account.api_key?.value ?? assert.fail();
  assert.deepEqual(await Promise.all([asked(0, text), asked(1, text)]), ['200', '200']);
  const shown = await told<{ id: string }[]>('keys', 'list', project.id);
  assert.deepEqual(
    (await all(one.apiKeys.list(project.id))).map(({ id }) => id),
    shown.map(({ id }) => id),
  );
  const operator = await told<Keyed>('keys', 'create', '--admin', '--name', 'second');
  assert.equal((await clientOf(1, operator.value).projects.retrieve(project.id)).id, project.id);
  await one.apiKeys.delete(account.api_key?.id ?? '', { project_id: project.id });
  t.diagnostic(`a key was refused by both nodes in ${await untilAllSay(text, '401 invalid_api_key')} ms`);
});

test('a file of projects counts at all nodes, is shown and cannot be changed here, and its changes count while they run', async () => {
  const id = 'proj_in_file';
  assert.deepEqual(await Promise.all([asked(0, FILE_KEY), asked(1, FILE_KEY)]), ['200', '200']);
  const { projects } = clientOf(1);
  const shown = (await projects.retrieve(id)) as { name: string | null; read_only?: boolean };
  assert.deepEqual([shown.name, shown.read_only], ['In a file', true]);
  await assert.rejects(projects.update(id, { name: 'b' }), { status: 409, code: 'kept_in_file' });
  await assert.rejects(projects.serviceAccounts.create(id, { name: 'b' }), {
    status: 409,
    code: 'kept_in_file',
  });
  const [key] = await all(projects.apiKeys.list(id));
  await assert.rejects(projects.apiKeys.delete(key?.id ?? '', { project_id: id }), { code: 'kept_in_file' });
  const renamed = await admin(['projects', 'rename', id, 'b'], { PENSTOCK_PROJECTS_FILE: file() });
  assert.match(renamed.err, /kept in the file of projects/);
  await writeFile(file(), IN_FILE.replace('"only"', '"only", "scopes": ["files"]'));
  await untilAllSay(FILE_KEY, '403 missing_scope');
  await writeFile(file(), IN_FILE.replace('"keys"', '"key"'));
  const isRefused = async (url: string) =>
    /^penstock_projects_file_refused 1$/m.test(await (await fetch(`${url}/metrics`)).text());
  await waitFor(async () => (await Promise.all(nodes.map(isRefused))).every(Boolean));
  assert.ok(logged.some(line => /line 2: there is no key here.*file of projects is refused/.test(line)));
  assert.equal(await asked(0, FILE_KEY), '403 missing_scope');
  await assert.rejects(stack.addIngress('in-3'), /PENSTOCK_PROJECTS_FILE: line 2: there is no key here/);
});

test('a configured key gets a project of its own id: what is stored stays, new keys see it, and archived it is refused', async () => {
  const id = tenantOfKey(API_KEY);
  const stored = await post(stack, '/v1/chat/completions', chat('keep this', { store: true, max_tokens: 1 }));
  const { id: completion } = (await stored.json()) as { id: string };
  await told('projects', 'create', 'default', '--id', id);
  assert.match((await admin(['projects', 'create', 'default', '--id', id])).err, /such a project already/);
  const { value } = await told<Keyed>('keys', 'create', 'default');
  const client = new OpenAI({ baseURL: `${nodes[1]}/v1`, apiKey: value, maxRetries: 0 });
  assert.equal((await client.chat.completions.retrieve(completion)).id, completion);
  assert.equal(await asked(0, API_KEY), '200');
  await told('projects', 'models', 'default', '--deny', 'sim-*');
  await untilAllSay(API_KEY, '404 model_not_found');
  await told('projects', 'archive', 'default');
  await untilAllSay(API_KEY, '401 invalid_api_key');
  await untilAllSay(value, '401 invalid_api_key');
});

test('who tries keys waits from the eleventh on, is counted, and is in the log and the audit log', async () => {
  for (let i = 0; i < 11; i++) await asked(0, `sk-wrong-${i}`);
  const from = performance.now();
  assert.equal(await asked(0, 'sk-wrong-again'), '401 invalid_api_key');
  assert.ok(performance.now() - from >= 990, 'a second late');
  const metrics = await (await fetch(`${nodes[0]}/metrics`)).text();
  const counted = Number(/^penstock_refused_keys_total\{reason="unknown"\} (\d+)/m.exec(metrics)?.[1]);
  assert.ok(counted >= 12);
  assert.ok(logged.some(line => line.includes('a key was refused') && line.includes('127.0.0.1')));
  const { auditLogs } = clientOf(1);
  const refused = await all(auditLogs.list({ limit: 100 }));
  const logs = refused.map(({ type }) => type as string);
  for (const type of ['key.use', 'process.start', 'project.archived', 'api_key.deleted'])
    assert.ok(logs.includes(type), type);
  assert.ok(!JSON.stringify(refused).includes('sk-wrong'));
  const [shell] = await all(auditLogs.list({ event_types: ['project.archived'] }));
  assert.match(shell?.actor?.session?.user?.id ?? '', /^[^@]+@/);
  assert.match((await admin(['audit', 'verify'])).out, /^whole: /);
});
