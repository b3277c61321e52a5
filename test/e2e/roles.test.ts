/**
 * A whole stack whose processes are each the user of their role at NATS and Redis: the usual flows ask for nothing that is denied, and a worker's
 * user can neither read others' prompts, nor answer for others, nor destroy what is queued.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import {
  deadStream,
  replyChannel,
  replyLog,
  runMessageKey,
  sharedAddress,
  subjectOf,
  workStream,
} from '@penstock/protocol';
import type { Passwords } from '@penstock/transport/roles';
import { Redis } from 'ioredis';
import OpenAI from 'openai';
import { adminCommand } from '../../deploy/admin/command.ts';
import { NATS_FILE, REDIS_FILE, writeRoles } from '../../deploy/admin/role-files.ts';
import { membersOf } from '../../deploy/admin/roles.ts';
import type { ScalerView } from '../../services/console/shared/scaler-view.ts';
import { batchesOf, lineOf, question } from '../../testkit/batches.ts';
import { ADMIN_KEY, startConsole } from '../../testkit/browser/console.ts';
import { type NatsServer, startNats } from '../../testkit/nats.ts';
import { startService } from '../../testkit/process.ts';
import { startRedis } from '../../testkit/redis.ts';
import { API_KEY, chat, post, readChat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

/** Redis is asked at each start whether it keeps what it confirms: not all roles may ask, and it is said in words then. */
const ASKED_IN_VAIN = /"config\|get"/;
const WORKER = 'w-1';
const DLQ = new URL('../../deploy/dlq/main.ts', import.meta.url).pathname;

let dir = '';
let users: ReadonlyMap<string, Passwords>;
let nats: NatsServer;
let redis: Awaited<ReturnType<typeof startRedis>>;
let stack: Stack;
const violations: string[] = [];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'penstock-roles-'));
  users = writeRoles(dir, membersOf('local', 1, [WORKER, 'w-2']));
  const natsFile = await readFile(join(dir, NATS_FILE), 'utf8');
  nats = await startNats('8MB', `include "${NATS_FILE}"`, undefined, { [NATS_FILE]: natsFile });
  const acl = join(dir, 'of-the-test.acl');
  await writeFile(
    acl,
    `${await readFile(join(dir, REDIS_FILE), 'utf8')}user auditor on >auditor ~* &* +@all\n`,
  );
  redis = await startRedis('--aclfile', acl);
  stack = await startStack({
    natsUrl: nats.url,
    redis: { url: redis.url, server: redis },
    engines: [{ listSentinels: true }],
    tasksEnv: {},
    wiresOf: async name => urlsOf(name === 'in-1' ? 'ingress' : name),
  });
});
after(async () => {
  await stack?.[Symbol.asyncDispose]();
  await redis?.stop();
  await nats?.stop();
  await rm(dir, { recursive: true, force: true });
});

function urlsOf(user: string): { nats: string; redis: string } {
  const own = users.get(user);
  assert.ok(own, user);
  return {
    nats: nats.url.replace('nats://', `nats://${user}:${own.nats}@`),
    redis: redis.url.replace('redis://', `redis://${user}:${own.redis}@`),
  };
}

/** What both servers have denied since the last call. */
async function denied(): Promise<string[]> {
  const auditor = new Redis(redis.url.replace('redis://', 'redis://auditor:auditor@'));
  const entries = (await auditor.call('ACL', 'LOG', '100')) as unknown[];
  await auditor.call('ACL', 'LOG', 'RESET');
  auditor.disconnect();
  const byRedis = entries.map(entry => JSON.stringify(entry)).filter(entry => !ASKED_IN_VAIN.test(entry));
  const seen = nats.output().filter(line => /Violation/.test(line));
  const byNats = seen.filter(line => !violations.includes(line));
  violations.push(...byNats);
  return [...byNats, ...byRedis];
}

const client = () => new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 2 });

function dlq(...args: string[]): Promise<string> {
  const { nats: natsUrl, redis: redisUrl } = urlsOf('operator');
  const env = {
    ...process.env,
    ...{ NODE_OPTIONS: '', PENSTOCK_NATS_URL: natsUrl, PENSTOCK_REDIS_URL: redisUrl },
    PENSTOCK_FILES_DIR: stack.filesDir,
  };
  return new Promise((resolve, reject) =>
    execFile(process.execPath, [DLQ, ...args], { env }, (err, out) => (err ? reject(err) : resolve(out))),
  );
}

async function administer(...args: string[]): Promise<string> {
  const wires = { PENSTOCK_REDIS_URL: urlsOf('operator').redis, PENSTOCK_KEY_PEPPER: 'p'.repeat(32) };
  Object.assign(process.env, wires);
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const code = await adminCommand(args, { out: say, err: say });
  assert.equal(code, 0, said.join(''));
  return said.join('');
}

async function runJob(model: string): Promise<string> {
  const answer = await post(stack, '/v1/chat/completions', chat('a job', { model, max_tokens: 4 }), {
    headers: { prefer: 'respond-async' },
  });
  const { id } = (await answer.json()) as { id: string };
  const headers = { authorization: `Bearer ${API_KEY}` };
  await waitFor(async () => (await fetch(`${stack.url}/v1/jobs/${id}`, { headers })).status !== 202);
  return id;
}

function startScaler() {
  const of = urlsOf('scaler');
  const pools = [{ name: 'p', models: ['sim-chat'] }];
  return startService(
    'scaler',
    {
      ...{ PENSTOCK_NATS_URL: of.nats, PENSTOCK_REDIS_URL: of.redis, PENSTOCK_METRICS_PORT: '' },
      ...{ PENSTOCK_POOLS: JSON.stringify(pools), PENSTOCK_SCALE_EVERY_MS: '250' },
    },
    { readyWhen: line => line.includes('scaler started') },
  );
}

test('passwords are for their owner alone, kept when users are added, and in no file of Redis', async () => {
  for (const file of [NATS_FILE, REDIS_FILE, 'ingress/nats-password', 'ingress/env'])
    assert.equal((await stat(join(dir, file))).mode & 0o777, 0o600, file);
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
  const own = users.get('ingress')?.redis ?? '';
  assert.ok(own.length >= 48 && !(await readFile(join(dir, REDIS_FILE), 'utf8')).includes(own));
  assert.equal(writeRoles(dir, membersOf('local', 1, [WORKER, 'w-2'])).get('ingress')?.redis, own);
});

test('the usual flows ask for nothing that is denied', async () => {
  const stream = await readChat(stack, chat('a stream', { max_tokens: 8 }));
  assert.equal(stream.done, true);
  await client().embeddings.create({ model: 'sim-embed', input: 'x' });
  await runJob('sim-chat');
  const response = await client().responses.create({ model: 'sim-chat', input: 'x', background: true });
  await waitFor(async () => (await client().responses.retrieve(response.id)).status === 'completed');
  const batches = batchesOf(client());
  const batch = await batches.begin(`${lineOf('a', question(1))}\n`);
  assert.equal((await batches.whenOver(batch.id)).status, 'completed');
  // A worker gives it up, and an ingress keeps it for the operator.
  const failed = await runJob('sim-fail');
  await waitFor(async () => (await dlq('list')).includes(failed));
  await dlq('requeue', failed);
  await waitFor(async () => (await dlq('list')).includes(failed));
  await dlq('drop', failed);
  await administer('projects', 'create', 'search');
  await administer('keys', 'create', 'search');
  const [, id = ''] = /^(key_\w+) /m.exec(await administer('keys', 'list', 'search')) ?? [];
  await administer('keys', 'revoke', id);
  const of = urlsOf('console');
  await using operator = await startConsole({ nats: { url: of.nats }, redis: { url: of.redis } });
  const login = await fetch(`${operator.url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: ADMIN_KEY }),
  });
  const headers = {
    cookie: login.headers.getSetCookie()[0]?.split(';')[0] ?? '',
    'content-type': 'application/json',
  };
  await administer('projects', 'limit', 'search', 'rpm_limit=5,max_files=5');
  const [, project = ''] = /^id +(\S+)/m.exec(await administer('projects', 'show', 'search')) ?? [];
  for (const path of ['requests', 'batches', 'letters', 'audit', `tenants?find=${project}`]) {
    const answer = await fetch(`${operator.url}/api/${path}`, { headers });
    assert.equal(answer.status, 200, `${path}: ${await answer.text()}`);
  }
  const scaler = await startScaler();
  await waitFor(async () => {
    const answer = await fetch(`${operator.url}/api/scaler`, { headers });
    const { state, decisions } = (await answer.json()) as ScalerView;
    return state?.pools[0]?.ready === 1 && decisions.length > 0;
  });
  await scaler.stop();
  await waitFor(async () => {
    const body = JSON.stringify({ action: 'worker.resume', targets: [WORKER], reason: 'a test' });
    const acted = await fetch(`${operator.url}/api/actions`, { method: 'POST', headers, body });
    return acted.ok && !/"error"/.test(await acted.text());
  });
  assert.deepEqual(await denied(), []);
});

test('a worker neither reads what is for others, nor answers for others, nor destroys what is queued', async t => {
  const urls = urlsOf(WORKER);
  const pass = users.get(WORKER)?.nats ?? assert.fail();
  const nc = await connect({ servers: nats.url, user: WORKER, pass, inboxPrefix: `_INBOX.${WORKER}` });
  t.after(() => nc.close());
  const stream = workStream('local', 0);
  const address = sharedAddress(
    { region: 'local', shard: 0, slug: 'sim-chat', lane: 'batch', size: 'any' },
    'of-another',
  );
  const mayPublish: [about: string, subject: string][] = [
    ['read a message', `$JS.API.STREAM.MSG.GET.${stream}`],
    ['read it directly', `$JS.API.DIRECT.GET.${stream}`],
    ['read dead letters', `$JS.API.STREAM.MSG.GET.${deadStream('local')}`],
    ['make a consumer that reads all', `$JS.API.CONSUMER.CREATE.${stream}.spy.work.local.>`],
    ['purge the stream', `$JS.API.STREAM.PURGE.${stream}`],
    ['delete a message', `$JS.API.STREAM.MSG.DELETE.${stream}`],
    ['delete it', `$JS.API.STREAM.DELETE.${stream}`],
    ['take a snapshot of it', `$JS.API.STREAM.SNAPSHOT.${stream}`],
    ['delete a consumer', `$JS.API.CONSUMER.DELETE.${stream}.sim-chat_batch_any`],
    ['queue work', subjectOf(address)],
    ['write a dead letter', 'dead.local.sim-chat.of-another'],
    ['speak as another worker', 'hb.local.w-2'],
    ['speak as an ingress', 'st.local.in-1'],
    ['order another worker', 'ctl.worker.w-2'],
    ['answer what another asked', '_INBOX.ingress.x'],
  ];
  const told: string[] = [];
  void (async () => {
    for await (const status of nc.status())
      told.push(JSON.stringify(status, (_, value) => (value instanceof Error ? value.message : value)));
  })();
  for (const [, subject] of mayPublish) nc.publish(subject, '{}');
  const heard: [about: string, subject: string][] = [
    ['hear what is queued', 'work.local.>'],
    ['hear what others are delivered', '_INBOX.w-2.>'],
    ['hear all answers', '_INBOX.>'],
    ['hear cancels of another', 'ctl.worker.w-2'],
    ['hear questions to an ingress', 'ctl.ingress.*'],
    ['hear everything', '>'],
  ];
  for (const [, subject] of heard) nc.subscribe(subject, { callback: () => {} });
  await nc.flush();
  const log = () => nats.output().join('\n');
  await waitFor(() => /Subscription Violation[^\n]*Subject ">"/.test(log()));
  for (const [about, subject] of mayPublish)
    assert.ok(log().includes(`Publish Violation`) && log().includes(`Subject "${subject}"`), about);
  for (const [about, subject] of heard) assert.ok(log().includes(`Subject "${subject}"`), about);

  const own = new Redis(urls.redis);
  t.after(() => own.disconnect());
  const cannot: [about: string, command: string, ...args: string[]][] = [
    ['list keys', 'KEYS', '*'],
    ['walk through keys', 'SCAN', '0'],
    ['read a queued message', 'GET', runMessageKey('x')],
    ['read the packets of an ingress', 'XRANGE', replyLog('in-1'), '-', '+'],
    ['hear the packets of an ingress', 'SUBSCRIBE', replyChannel('in-1')],
    ['delete them', 'DEL', replyLog('in-1')],
    ['read files', 'HGETALL', 'penstock:file:x'],
    ['read conversations', 'LRANGE', 'penstock:conversationitems:x', '0', '-1'],
    ['read webhook secrets', 'HGETALL', 'penstock:webhook:x'],
    ['read jobs of BullMQ', 'HGETALL', 'bull:penstock-webhooks:1'],
    ['read the settings of the server', 'CONFIG', 'GET', '*'],
    ['change users', 'ACL', 'LIST'],
    ['empty the server', 'FLUSHALL'],
    ['do it in a script', 'EVAL', "return redis.call('GET', KEYS[1])", '1', runMessageKey('x')],
    [
      'do it in a script that names no keys',
      'EVAL',
      "return redis.call('HGETALL', 'penstock:webhook:x')",
      '0',
    ],
    ['delete it in a script', 'EVAL', "return redis.call('DEL', KEYS[1])", '1', replyLog('in-1')],
  ];
  for (const [about, command, ...args] of cannot)
    await assert.rejects(own.call(command, ...args), /NOPERM|No permissions|can't|ACL failure/i, about);
  assert.ok((await denied()).length > 0);
  const anybody = new Redis(redis.url, { retryStrategy: () => null, lazyConnect: true });
  anybody.on('error', () => {});
  await assert.rejects(anybody.connect());
  // Nothing of it has happened.
  assert.equal((await readChat(stack, chat('after all that', { max_tokens: 4 }))).done, true);
});
