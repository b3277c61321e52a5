/** Identifiers nobody can guess. */
import { randomFillSync, randomInt } from 'node:crypto';
import { NONCE_END } from '@penstock/protocol';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const LENGTH = 26;
const POOL_IDS = 128;

/**
 * Makes ids of 26 base-32 letters (130 bits) from the system's CSPRNG. Random bytes are drawn 128 ids at a time: one
 * call per id cost 1.5 µs, this 0.3 µs.
 */
export function createIdSource(): () => string {
  const pool = Buffer.alloc(LENGTH * POOL_IDS);
  let at = pool.length;
  return () => {
    if (at >= pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    let id = '';
    for (const end = at + LENGTH; at < end; at++) id += ALPHABET[(pool[at] ?? 0) & 31];
    return id;
  };
}

/** For one attempt, see {@link AttemptKey.nonce}. */
export function drawNonce(): number {
  return randomInt(1, NONCE_END);
}

/** For one message, see {@link WorkMeta.key}. */
export const drawKey: () => string = createIdSource();
