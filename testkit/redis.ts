/** Real Redis servers (or Valkey's) with an append-only file, on free ports and in directories of their own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { type ServiceProcess, startProcess, startServer } from './process.ts';

const PROGRAM = process.env['PENSTOCK_TEST_REDIS_SERVER'] ?? 'redis-server';
/** After this silence a server counts as down, ms. */
const DOWN_AFTER_MS = 500;
/** What the sentinels call the servers. */
const NAME = 'penstock';

/** @param settings further ones, which come last. */
export async function startRedis(...settings: string[]) {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-redis-'));
  const port = await freePort();
  const args = [
    ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', ''],
    ...['--appendonly', 'yes', '--appendfsync', 'no', ...settings],
  ];
  const start = () =>
    startProcess(PROGRAM, args, { readyWhen: line => line.includes('Ready to accept connections') });
  const server = await startServer(`redis://127.0.0.1:${port}`, start, () =>
    rm(dir, { recursive: true, force: true }),
  );
  return Object.assign(server, { port });
}

/** @param port of the server that it copies. Resolves once it has begun; see {@link startReplicatedRedis}. */
export function startReplica(port: number) {
  return startRedis('--replicaof', '127.0.0.1', `${port}`, '--repl-diskless-sync-delay', '0');
}

/** A primary, its replica, and three sentinels that make the replica the primary when the first one is gone. */
export async function startReplicatedRedis() {
  await using parts = new AsyncDisposableStack();
  const primary = parts.adopt(await startRedis('--repl-diskless-sync-delay', '0'), server => server.stop());
  const replica = parts.adopt(await startReplica(primary.port), server => server.stop());
  const dir = parts.adopt(await mkdtemp(join(tmpdir(), 'penstock-sentinels-')), path =>
    rm(path, { recursive: true, force: true }),
  );
  // They know one another from the beginning: to find out takes them two seconds.
  const peers = await Promise.all(
    [1, 2, 3].map(async number => ({ port: await freePort(), id: `${number}`.repeat(40) })),
  );
  for (const peer of peers) {
    const conf = join(dir, `sentinel-${peer.port}.conf`);
    await writeFile(conf, sentinelConf(peer, peers, primary.port, replica.port));
    const args = [conf, '--sentinel'];
    const sentinel = await startProcess(PROGRAM, args, { readyWhen: line => line.includes('+monitor') });
    parts.adopt<ServiceProcess>(sentinel, each => each.stop());
  }
  const running = parts.move();
  return {
    primary,
    replica,
    url: `redis+sentinel://${peers.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${NAME}`,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface Peer {
  readonly port: number;
  readonly id: string;
}

function sentinelConf(
  { port, id }: Peer,
  peers: readonly Peer[],
  primaryPort: number,
  replicaPort: number,
): string {
  const others = peers.filter(peer => peer.id !== id);
  return [
    ...[`port ${port}`, 'bind 127.0.0.1', `sentinel myid ${id}`],
    `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 3000`,
    `sentinel known-replica ${NAME} 127.0.0.1 ${replicaPort}`,
    ...others.map(other => `sentinel known-sentinel ${NAME} 127.0.0.1 ${other.port} ${other.id}`),
    '',
  ].join('\n');
}
