/** A loopback port that is free now, and that nobody is given by chance before a server listens on it. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the ports that systems give to outgoing connections (Linux: from 32768, macOS and Windows: from 49152). One of those is
 * free now, and a moment later the other end of somebody's connection.
 */
const PORTS = { first: 12_000, end: 32_000 } as const;
const MOST_TRIES = 100;

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const port = randomInt(PORTS.first, PORTS.end);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${MOST_TRIES} ports from ${PORTS.first} to ${PORTS.end} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
