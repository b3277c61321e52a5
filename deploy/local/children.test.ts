import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { type LocalTools, planChildren } from './children.ts';
import { startConfig } from './config.ts';
import { serverSettings, serversOf } from './started-servers.ts';

const RANGE_FILE = '/proc/sys/net/ipv4/ip_local_port_range';
const KEYS = {
  ...{ api: 'sk-a-key-for-tests', admin: 'a-key-for-tests' },
  pepper: 'a-pepper-for-tests-of-32-characters',
};
const TOOLS: LocalTools = { natsServer: 'nats-server', redisServer: 'redis-server', hasSelectors: true };
/** What outgoing connections get here; elsewhere what the IANA names. */
const [FIRST_OUTGOING = 49_152, LAST_OUTGOING = 65_535] = existsSync(RANGE_FILE)
  ? readFileSync(RANGE_FILE, 'utf8').split(/\s+/).map(Number)
  : [];

test('every server of a local stack has a port of its own, which no outgoing connection can have taken', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-children-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const config = startConfig.parse({
    ...{ PENSTOCK_WORKERS: 64, PENSTOCK_PORT: 12_345, PENSTOCK_METRICS_PORT: 12_400 },
  });
  const children = await planChildren(config, dir, KEYS, TOOLS);
  const urls = JSON.parse(readFileSync(join(dir, 'servers.json'), 'utf8')) as Record<string, string>;
  const engines = children.flatMap(({ env }) => env?.['PENSTOCK_ENGINE_URL'] ?? []);
  const ports = [...Object.values(urls), ...engines].map(url => Number(new URL(url).port));
  const watched = children.flatMap(({ env }) => Number(env?.['PENSTOCK_METRICS_PORT'] ?? []) || []);
  assert.deepEqual([watched.length, new Set(watched).size, watched[0]], [65, 65, 12_400]);
  assert.equal(ports.length, 66);
  assert.equal(new Set([...ports, config.PENSTOCK_PORT, config.PENSTOCK_CONSOLE_PORT]).size, 68);
  for (const port of ports) assert.ok(port < FIRST_OUTGOING || port > LAST_OUTGOING, String(port));
});

/** A plan in a directory of its own, under an environment with these variables. */
async function plan(t: TestContext, env: Record<string, string>, tools = TOOLS) {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-children-'));
  const before = { ...process.env };
  Object.assign(process.env, env);
  t.after(() => {
    process.env = before;
    rmSync(dir, { recursive: true, force: true });
  });
  const children = await planChildren(startConfig.parse(process.env), dir, KEYS, tools);
  return { dir, of: new Map(children.map(child => [child.name, child.env])) };
}

test('each child has the secrets that its work needs, and nobody else’s', async t => {
  const secrets = {
    PENSTOCK_ENGINE_API_KEY: ['worker-1', 'worker-2'],
    PENSTOCK_WEBHOOKS: ['tasks'],
    PENSTOCK_VIEWER_KEYS: ['console'],
    PENSTOCK_FILES_S3_SECRET_ACCESS_KEY: ['ingress', 'console', 'tasks', 'worker-1', 'worker-2'],
    SECRET_OF_THE_SHELL: [],
  };
  const env = Object.fromEntries(Object.keys(secrets).map(name => [name, `the-${name}`]));
  const { dir, of } = await plan(t, { ...env, PENSTOCK_NATS_TOKEN: 'of-another-server' });
  const who = (value: string) =>
    [...of].filter(([, own]) => Object.values(own).some(text => text.includes(value))).map(([name]) => name);
  for (const [name, meant] of Object.entries(secrets)) assert.deepEqual(who(`the-${name}`), meant, name);
  assert.deepEqual(who(KEYS.api), ['ingress']);
  assert.deepEqual(who(KEYS.pepper), ['ingress']);
  assert.deepEqual(who(KEYS.admin), ['ingress', 'console']);
  assert.deepEqual(who('of-another-server'), []);
  for (const user of ['ingress', 'console', 'tasks', 'worker-1', 'worker-2'])
    assert.deepEqual(who(join(dir, 'users', user)), [user]);
  for (const [name, own] of of)
    assert.ok(!Object.values(own).some(text => text.includes(join(dir, 'users/operator'))), name);
});

test('workers that a scaler starts are the user of all workers, and the scaler is its own', async t => {
  const { dir, of } = await plan(t, { PENSTOCK_SCALE: '1..2', PENSTOCK_ENGINE_API_KEY: 'the-engine-key' });
  const {
    PENSTOCK_NATS_USER: user,
    PENSTOCK_SCALE_WORKER_ENV: handed = '',
    ...others
  } = of.get('scaler') ?? {};
  assert.equal(user, 'scaler');
  assert.ok(handed.split('\n').includes('PENSTOCK_NATS_USER=worker'));
  assert.ok(handed.includes(`PENSTOCK_REDIS_PASSWORD_FILE=${join(dir, 'users/worker/redis-password')}`));
  assert.equal(others['PENSTOCK_ENGINE_API_KEY'], undefined);
});

test('commands beside it come in as the operator, whatever is set for servers elsewhere; servers of the user’s own stay his', async t => {
  const { dir } = await plan(
    t,
    { PENSTOCK_REDIS_URL: 'redis://elsewhere:6379' },
    { ...TOOLS, redisServer: null },
  );
  const read = (env: Record<string, string>) =>
    serversOf(z.object(serverSettings).parse({ PENSTOCK_DATA_DIR: dir, ...env }), 'test');
  const started = read({ PENSTOCK_NATS_TOKEN: 'of-another', PENSTOCK_REDIS_PASSWORD: 'mine' });
  assert.match(started.nats.url, /^nats:\/\/operator:[0-9a-f]{48}@127\.0\.0\.1:\d+$/);
  assert.equal(started.nats.login.token, undefined);
  assert.deepEqual([started.redis.url, started.redis.login.password], ['redis://elsewhere:6379', 'mine']);
  const own = read({ PENSTOCK_NATS_URL: 'nats://mine', PENSTOCK_NATS_TOKEN: 'mine' });
  assert.deepEqual([own.nats.url, own.nats.login.token], ['nats://mine', 'mine']);
});

test('the ports of the stack are no target of webhooks, nor a source of media', async t => {
  const { dir, of } = await plan(t, { PENSTOCK_METRICS_PORT: '12500', PENSTOCK_MEDIA_ALLOW: '10.0.0.0/8' });
  const urls = JSON.parse(readFileSync(join(dir, 'servers.json'), 'utf8')) as Record<string, string>;
  const ports = [...Object.values(urls).map(url => new URL(url).port), 8080, 8090, 12_500, 12_501, 12_502];
  for (const name of ['ingress', 'tasks'])
    for (const setting of ['PENSTOCK_WEBHOOK_ALLOW', 'PENSTOCK_MEDIA_ALLOW'])
      for (const port of ports)
        assert.ok(
          of.get(name)?.[setting]?.split(',').includes(`!127.0.0.0/8:${port}`),
          `${name} ${setting} ${port}`,
        );
});
