/** Loopback ports that are free now, and that nobody is given by chance before a server listens on them. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { StartError } from './data-dir.ts';

/**
 * Below the ports that systems give to outgoing connections (Linux: from 32768, macOS and Windows: from 49152). One of those is
 * free now, and a moment later the other end of somebody's connection.
 */
const PORTS = { first: 12_000, end: 32_000 } as const;
/**
 * A process gives its servers the ports of blocks that are its own. Where tests run, many processes choose ports at a time, and a server
 * takes seconds to start: of ports chosen one by one, two were the same now and then.
 */
const BLOCK = 20;
const BLOCKS = (PORTS.end - PORTS.first) / BLOCK;
/** A block belongs to who listens on its guard, so that it is free again when its process ends, however that is. */
const GUARDS = PORTS.first - BLOCKS;
const MOST_TRIES = 100;

/** Of the process's own blocks, those that nobody was given yet. */
const own: number[] = [];
let nextBlock: Promise<void> | null = null;

/** @throws StartError */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** As many different ports, nobody else's as long as this process lives. @param taken ports that are meant for something else. @throws StartError */
export async function freePorts(count: number, taken: readonly number[] = []): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries === count + MOST_TRIES)
      throw new StartError(`found no ${count} free ports on 127.0.0.1 from ${PORTS.first} to ${PORTS.end}`);
    const port = await ownPort();
    if (!taken.includes(port) && (await tryPort('127.0.0.1', port)) === null) ports.push(port);
  }
  return ports;
}

async function ownPort(): Promise<number> {
  for (;;) {
    const port = own.pop();
    if (port !== undefined) return port;
    nextBlock ??= takeBlock().finally(() => {
      nextBlock = null;
    });
    await nextBlock;
  }
}

async function takeBlock(): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const block = randomInt(BLOCKS);
    if (!(await guard(GUARDS + block))) continue;
    own.push(...Array.from({ length: BLOCK }, (_, i) => PORTS.first + block * BLOCK + i));
    return;
  }
  throw new StartError(`found no free port on 127.0.0.1 from ${GUARDS} to ${PORTS.first} to listen on`);
}

/** Listens until the process ends, and does not keep it from ending. @returns whether nobody else does. */
function guard(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer(socket => socket.destroy()).unref();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(true));
  });
}

/** @returns why nothing can listen there, as the code of the system; null where it can. */
export function tryPort(host: string, port: number): Promise<string | null> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', (err: NodeJS.ErrnoException) => resolve(err.code ?? err.message));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}
