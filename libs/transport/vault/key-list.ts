/** Keys that an operator gives by name: the first wraps, the others only unwrap what was wrapped before. */
import { type KeyObject, randomBytes } from 'node:crypto';
import type { KeyWrapper } from '../ports/sealing/key-wrapper.ts';
import { KEY_BYTES, toKey } from './aes-gcm.ts';
import { SealError, unwrapKey, wrapKey } from './sealed-bytes.ts';

const NAME = /^[A-Za-z0-9_-]{1,32}$/;
const USAGE =
  'give one key a line, as NAME:KEY, the one that wraps first, with a name of up to 32 of A-Z a-z 0-9 _ - and a key of 32 bytes in base64: npm run admin -- encryption new NAME';

export class KeyList implements KeyWrapper {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly current: string;
  readonly #setting: string;

  private constructor(keys: ReadonlyMap<string, KeyObject>, current: string, setting: string) {
    this.#keys = keys;
    this.current = current;
    this.#setting = setting;
  }

  /** @param setting named where a key is missing. @throws TypeError that says what to write, and quotes nothing. */
  static parse(text: string, setting: string): KeyList {
    const keys = new Map<string, KeyObject>();
    for (const line of text.split(/[\n,]/).map(each => each.trim())) {
      if (line === '' || line.startsWith('#')) continue;
      const at = line.indexOf(':');
      const [name, key] = [line.slice(0, at).trim(), Buffer.from(line.slice(at + 1).trim(), 'base64')];
      if (at < 0 || !NAME.test(name) || key.length !== KEY_BYTES) throw new TypeError(USAGE);
      if (keys.has(name))
        throw new TypeError(`the name ${name} stands for two keys: give each one of its own`);
      keys.set(name, toKey(key));
    }
    const [first] = keys.keys();
    if (first === undefined) throw new TypeError(USAGE);
    return new KeyList(keys, first, setting);
  }

  /** A line with a key that was just drawn. @throws TypeError for a name that {@link parse} refuses. */
  static draw(name: string): string {
    const line = `${name}:${randomBytes(KEY_BYTES).toString('base64')}`;
    KeyList.parse(line, '');
    return line;
  }

  get names(): readonly string[] {
    return [...this.#keys.keys()];
  }

  async wrap(key: Buffer, about: readonly (string | number)[]): Promise<string> {
    return this.wrapNow(key, about);
  }

  async unwrap(wrapped: string, about: readonly (string | number)[]): Promise<Buffer> {
    return this.unwrapNow(wrapped, about);
  }

  wrapNow(key: Buffer, about: readonly (string | number)[]): string {
    return `${this.current}.${wrapKey(key, this.#key(this.current), about)}`;
  }

  /** @throws SealError that names a key that is missing. */
  unwrapNow(wrapped: string, about: readonly (string | number)[]): Buffer {
    const name = this.nameIn(wrapped);
    return unwrapKey(wrapped.slice(name.length + 1), this.#key(name), about);
  }

  nameIn(wrapped: string): string {
    return wrapped.slice(0, Math.max(0, wrapped.indexOf('.')));
  }

  #key(name: string): KeyObject {
    const key = this.#keys.get(name);
    if (key === undefined)
      throw new SealError(`the key "${NAME.test(name) ? name : '?'}" is not in ${this.#setting}`);
    return key;
  }
}
