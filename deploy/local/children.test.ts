import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { planChildren } from './children.ts';
import { startConfig } from './config.ts';

const RANGE_FILE = '/proc/sys/net/ipv4/ip_local_port_range';
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
  const tools = { natsServer: 'nats-server', redisServer: 'redis-server' };
  const children = await planChildren(
    config,
    dir,
    { api: 'sk-a-key-for-tests', admin: 'a-key-for-tests', pepper: 'a-pepper-for-tests-of-32-characters' },
    tools,
  );
  const urls = JSON.parse(readFileSync(join(dir, 'servers.json'), 'utf8')) as Record<string, string>;
  const engines = children.flatMap(({ env }) => env?.['PENSTOCK_ENGINE_URL'] ?? []);
  const ports = [...Object.values(urls), ...engines].map(url => Number(new URL(url).port));
  const watched = children.flatMap(({ env }) => Number(env?.['PENSTOCK_METRICS_PORT'] ?? []) || []);
  assert.deepEqual([watched.length, new Set(watched).size, watched[0]], [65, 65, 12_400]);
  assert.equal(ports.length, 66);
  assert.equal(new Set([...ports, config.PENSTOCK_PORT, config.PENSTOCK_CONSOLE_PORT]).size, 68);
  for (const port of ports) assert.ok(port < FIRST_OUTGOING || port > LAST_OUTGOING, String(port));
});
