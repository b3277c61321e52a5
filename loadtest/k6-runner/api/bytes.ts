/** The modules `k6/encoding` and `k6/crypto`. */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { ModuleExports } from '../script/script-host.ts';
import type { VirtualUser } from '../script/vu.ts';
import { refused } from './refusal.ts';

export function encodingModule(): ModuleExports {
  return {
    b64encode: (input: unknown, variant: unknown = 'std') => toBase64(bytesOf(input), String(variant)),
    b64decode: (input: unknown, variant: unknown = 'std', format?: unknown) => {
      const bytes = Buffer.from(String(input), String(variant).endsWith('url') ? 'base64url' : 'base64');
      return format === 's' ? bytes.toString() : arrayBufferOf(bytes);
    },
  };
}

/** k6's names of the algorithms, and Node's. */
const ALGORITHMS: Readonly<Record<string, string>> = {
  md5: 'md5',
  sha1: 'sha1',
  sha256: 'sha256',
  sha384: 'sha384',
  sha512: 'sha512',
  sha512_224: 'sha512-224',
  sha512_256: 'sha512-256',
  ripemd160: 'ripemd160',
};

export function cryptoModule(vu: VirtualUser): ModuleExports {
  const nameOf = (name: string): string => ALGORITHMS[name] ?? refused(vu, `k6/crypto algorithm ${name}`)();
  const hashOf = (name: string) => (input: unknown, encoding: unknown) =>
    encoded(createHash(nameOf(name)).update(bytesOf(input)).digest(), encoding);
  const digester = (hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>) => ({
    update: (input: unknown) => void hash.update(bytesOf(input)),
    digest: (encoding: unknown) => encoded(hash.digest(), encoding),
  });
  return {
    ...Object.fromEntries(Object.keys(ALGORITHMS).map(name => [name, hashOf(name)])),
    md4: refused(vu, 'k6/crypto md4()'),
    hmac: (name: string, secret: unknown, input: unknown, encoding: unknown) =>
      encoded(createHmac(nameOf(name), bytesOf(secret)).update(bytesOf(input)).digest(), encoding),
    createHash: (name: string) => digester(createHash(nameOf(name))),
    createHMAC: (name: string, secret: unknown) => digester(createHmac(nameOf(name), bytesOf(secret))),
    randomBytes: (size: number) => arrayBufferOf(randomBytes(size)),
  };
}

function bytesOf(input: unknown): Buffer {
  if (input instanceof ArrayBuffer) return Buffer.from(input);
  if (ArrayBuffer.isView(input)) return Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (typeof input === 'string') return Buffer.from(input);
  throw new TypeError('needs text or an ArrayBuffer');
}

function encoded(bytes: Buffer, encoding: unknown): string | ArrayBuffer {
  if (encoding === 'hex') return bytes.toString('hex');
  if (encoding === 'base64') return bytes.toString('base64');
  if (encoding === 'base64url') return toBase64(bytes, 'url');
  if (encoding === 'base64rawurl') return toBase64(bytes, 'rawurl');
  if (encoding === 'binary') return arrayBufferOf(bytes);
  throw new TypeError(`'${String(encoding)}' is no output encoding`);
}

function toBase64(bytes: Buffer, variant: string): string {
  const padded = bytes.toString('base64');
  const alphabet = variant.endsWith('url') ? padded.replaceAll('+', '-').replaceAll('/', '_') : padded;
  return variant.startsWith('raw') ? alphabet.replace(/=+$/, '') : alphabet;
}

function arrayBufferOf(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
}
