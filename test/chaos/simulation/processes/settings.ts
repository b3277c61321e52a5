/** What all processes of the simulation share. */
import type { Logger } from '@penstock/runtime';
import type { MemoryModelRegistry } from '@penstock/transport/memory';

export const REGION = 'eu';
/** Lease of a delivery, ms. */
export const LEASE_MS = 3000;
/** How long the client of a call without a stream is held, ms. */
export const HOLD_MS = 5000;
export const TTL = { recordMs: 3_600_000, logMs: 3_600_000 };

/** @param note told of each line, by the service that said it. */
export function logTo(service: string, note: ((line: string) => void) | null): Logger {
  const say = (about: unknown, words?: string) =>
    note?.(`${service}: ${typeof about === 'string' ? about : `${words} ${textOf(about)}`}`);
  return { info: say, warn: say, error: say, isLevelEnabled: () => false } as unknown as Logger;
}

function textOf(about: unknown): string {
  return JSON.stringify(about, (_, value) => (value instanceof Error ? value.message : value));
}

export type Registry = MemoryModelRegistry;
