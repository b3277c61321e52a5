import type { AttemptKey } from '@penstock/protocol';

/** An attempt as tests name it: by its number, where there is no other of that number. */
export function nth(number: number, nonce = number): AttemptKey {
  return { number, nonce };
}
