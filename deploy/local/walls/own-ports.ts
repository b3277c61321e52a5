/** The ports of a local stack: nobody has its own services called, by a webhook or by an engine that fetches media. */
import { networkInterfaces } from 'node:os';

export const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];
/** Every way to say this machine from inside: `0.0.0.0` and `::` lead here, too. */
const THIS_MACHINE = ['localhost', '127.0.0.0/8', '0.0.0.0', '[::1]', '[::]', '[::ffff:127.0.0.0/104]'];

/** @param allowed as PENSTOCK_WEBHOOK_ALLOW and PENSTOCK_MEDIA_ALLOW are written. @param host that the API listens at. @returns the same without our ports. */
export function withoutOwn(allowed: string, ports: Iterable<number>, host: string): string {
  if (allowed === '') return '';
  const hosts = LOOPBACK.includes(host) ? THIS_MACHINE : [...THIS_MACHINE, ...addresses()];
  return [allowed, ...[...ports].flatMap(port => hosts.map(each => `!${each}:${port}`))].join(',');
}

function addresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap(all => all ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address));
}
