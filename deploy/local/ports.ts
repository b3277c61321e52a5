/** Loopback ports that are free now, and that nobody is given by chance before a server listens on them. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { StartError } from './data-dir.ts';

/**
 * Below the ports that systems give to outgoing connections (Linux: from 32768, macOS and Windows: from 49152). One of those is
 * free now, and a moment later the other end of somebody's connection.
 */
const PORTS = { first: 12_000, end: 32_000 } as const;
const MOST_TRIES = 100;

/** @throws StartError */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** As many different ports. @param taken ports that are meant for something else. @throws StartError */
export async function freePorts(count: number, taken: readonly number[] = []): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries === count + MOST_TRIES)
      throw new StartError(`found no ${count} free ports on 127.0.0.1 from ${PORTS.first} to ${PORTS.end}`);
    const port = randomInt(PORTS.first, PORTS.end);
    if (!taken.includes(port) && !ports.has(port) && (await tryPort('127.0.0.1', port)) === null)
      ports.add(port);
  }
  return [...ports];
}

/** @returns why nothing can listen there, as the code of the system; null where it can. */
export function tryPort(host: string, port: number): Promise<string | null> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', (err: NodeJS.ErrnoException) => resolve(err.code ?? err.message));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}
