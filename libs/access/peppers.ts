/** Keys are kept as HMACs under a pepper that is no part of the store: who reads the store cannot even try keys. */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';

export interface KeyMark {
  /** In hex. */
  readonly hmac: string;
  /** Names the pepper. */
  readonly pepper: string;
}

export class Peppers {
  /** By name. */
  readonly #peppers: ReadonlyMap<string, string>;
  /** The first one, for new keys; undefined where there is none. */
  readonly #name: string | undefined;

  /** @param peppers the first one marks new keys; those behind it are for keys that were made under them. */
  constructor(peppers: readonly string[]) {
    const named = peppers.map(pepper => [nameOf(pepper), pepper] as const);
    this.#peppers = new Map(named);
    this.#name = named[0]?.[0];
  }

  /** What is kept of a key; null where there is no pepper. */
  mark(text: string): KeyMark | null {
    const pepper = this.#peppers.get(this.#name ?? '');
    if (pepper === undefined || this.#name === undefined) return null;
    return { hmac: hmacOf(text, pepper).toString('hex'), pepper: this.#name };
  }

  /** Whether the key is the one that was marked. Null where its pepper is not here. */
  matches(text: string, { hmac, pepper: name }: KeyMark): boolean | null {
    const pepper = this.#peppers.get(name);
    if (pepper === undefined) return null;
    const kept = Buffer.from(hmac, 'hex');
    const given = hmacOf(text, pepper);
    return kept.length === given.length && timingSafeEqual(kept, given);
  }
}

function hmacOf(text: string, pepper: string): Buffer {
  return createHmac('sha256', pepper).update(text).digest();
}

function nameOf(pepper: string): string {
  return hash('sha256', `pepper ${pepper}`).slice(0, 8);
}
