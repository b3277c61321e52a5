/** Real nats-servers with JetStream on free ports, each with a directory of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { startProcess, startServer } from './process.ts';

export type NatsServer = Awaited<ReturnType<typeof startNats>>;

/**
 * @param maxPayload longest message it takes. @param more lines of its configuration. @param storeDir where its messages are; its own directory when
 * absent. @param files by name, that its configuration includes.
 */
export async function startNats(
  maxPayload = '8MB',
  more = '',
  storeDir?: string,
  files: Readonly<Record<string, string>> = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-nats-'));
  const port = await freePort();
  const conf = join(dir, 'nats.conf');
  await writeFile(
    conf,
    `host: 127.0.0.1\nport: ${port}\nmax_payload: ${maxPayload}\nping_interval: "10s"\nping_max: 2\n` +
      `jetstream { store_dir: "${storeDir ?? join(dir, 'data')}", max_file_store: 10GB }\n${more}\n`,
  );
  const write = (name: string, text: string) => writeFile(join(dir, name), text);
  for (const [name, text] of Object.entries(files)) await write(name, text);
  const start = () =>
    startProcess(process.env['PENSTOCK_TEST_NATS_SERVER'] ?? 'nats-server', ['-c', conf], {
      readyWhen: line => line.includes('Server is ready'),
    });
  const clear = () => rm(dir, { recursive: true, force: true });
  const server = await startServer(`nats://127.0.0.1:${port}`, start, clear);
  /** Killed, and started again with nothing of what it had stored. */
  const loseDisk = async () => {
    await server.kill();
    await rm(join(dir, 'data'), { recursive: true });
    await server.start();
  };
  return Object.assign(server, { write, loseDisk });
}

const MEGABYTE = 1024 * 1024;

/** On a file system of so many MB of its own; null where this user may not mount one. */
export async function startNatsOnSmallDisk(megabytes: number) {
  const disk = await mkdtemp(join(tmpdir(), 'penstock-small-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', disk], { stdio: 'pipe' });
  } catch {
    await rmdir(disk);
    return null;
  }
  const ballast = join(disk, 'ballast');
  const server = await startNats('8MB', '', join(disk, 'js'));
  return Object.assign(server, {
    /** Nothing more can be written. */
    async fill() {
      // What fits is written.
      await writeFile(ballast, Buffer.alloc(megabytes * MEGABYTE)).catch(() => {});
    },
    clear: () => rm(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      await server.stop();
      execFileSync('umount', [disk]);
      await rmdir(disk);
    },
  });
}

/** Three servers that know each other; ready once they can be connected to, which is before they have elected who leads them. */
export async function startNatsCluster() {
  const ports = await Promise.all([0, 1, 2].map(freePort));
  const routes = ports.map(port => `nats://127.0.0.1:${port}`).join(', ');
  const servers = await Promise.all(
    ports.map((port, i) => {
      const cluster = `cluster { name: test, host: 127.0.0.1, port: ${port}, routes: [${routes}] }`;
      return startNats('8MB', `server_name: n${i + 1}\n${cluster}`);
    }),
  );
  return {
    url: servers.map(({ url }) => url).join(','),
    /** By the name that the cluster knows it by. */
    server: (name: string) => servers[Number(name.slice(1)) - 1],
    stop: () => Promise.all(servers.map(server => server.stop())).then(() => {}),
  };
}
