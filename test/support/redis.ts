/** A real Redis (or Valkey) with AOF on a free port and a directory of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { startProcess } from './process.ts';

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
    '--save',
    '',
  ];
  const start = () =>
    startProcess(process.env['PENSTOCK_TEST_REDIS_SERVER'] ?? 'redis-server', args, {
      readyWhen: line => line.includes('Ready to accept connections'),
    });
  let server = await start();
  return {
    get pid() {
      return server.pid;
    },
    url: `redis://127.0.0.1:${port}`,
    /** Killed without warning, and started again on the same port and data. */
    async restart() {
      server.kill('SIGKILL');
      await server.exited;
      server = await start();
    },
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
