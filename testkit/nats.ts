/** A real nats-server with JetStream on a free port and a directory of its own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { startProcess, startServer } from './process.ts';

/** @param maxPayload longest message it takes. @param more lines of its configuration. */
export async function startNats(maxPayload = '8MB', more = '') {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-nats-'));
  const port = await freePort();
  const conf = join(dir, 'nats.conf');
  await writeFile(
    conf,
    `host: 127.0.0.1\nport: ${port}\nmax_payload: ${maxPayload}\nping_interval: "10s"\nping_max: 2\n` +
      `jetstream { store_dir: "${join(dir, 'data')}" }\n${more}\n`,
  );
  const start = () =>
    startProcess(process.env['PENSTOCK_TEST_NATS_SERVER'] ?? 'nats-server', ['-c', conf], {
      readyWhen: line => line.includes('Server is ready'),
    });
  return startServer(`nats://127.0.0.1:${port}`, start, () => rm(dir, { recursive: true, force: true }));
}
