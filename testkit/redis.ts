/** A real Redis (or Valkey) with AOF on a free port and a directory of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { startProcess, startServer } from './process.ts';

export async function startRedis() {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-redis-'));
  const port = await freePort();
  const args = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    dir,
    '--appendonly',
    'yes',
    '--appendfsync',
    'no',
    '--save',
    '',
  ];
  const start = () =>
    startProcess(process.env['PENSTOCK_TEST_REDIS_SERVER'] ?? 'redis-server', args, {
      readyWhen: line => line.includes('Ready to accept connections'),
    });
  return startServer(`redis://127.0.0.1:${port}`, start, () => rm(dir, { recursive: true, force: true }));
}
