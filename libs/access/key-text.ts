/**
 * Keys as clients hold them: `sk-<id>-<secret>-<checksum>`, of operators `sk-admin-<id>-<secret>-<checksum>`. The id names the record,
 * the secret has 256 bits, and the checksum (CRC-32 of all before it) lets typing mistakes be refused and leaked keys be found by scanners,
 * without asking anybody.
 */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

export type KeyKind = 'admin' | 'api';

export interface KeyText {
  readonly kind: KeyKind;
  /** Of the record. */
  readonly id: string;
}

const PREFIX: Readonly<Record<KeyKind, string>> = { admin: 'sk-admin-', api: 'sk-' };
const ID = 'key_';
const ID_LENGTH = 16;
/** 62^43 is more than 2^256. */
const SECRET_LENGTH = 43;
const SHAPE = /^(sk-(?:admin-)?)([0-9a-z]{16})-[0-9A-Za-z]{43}-([0-9a-f]{8})$/;
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** A new key, shown to nobody yet. @returns its text and the id of its record. */
export function mintKey(kind: KeyKind): KeyText & { readonly text: string } {
  const id = randomText(12, 36, ID_LENGTH);
  const body = `${PREFIX[kind]}${id}-${randomText(32, 62, SECRET_LENGTH)}-`;
  return { kind, id: ID + id, text: body + checksumOf(body) };
}

/** @returns null for what is no key of this form, `mistyped` where the checksum is not that of the rest. */
export function readKeyText(text: string): KeyText | 'mistyped' | null {
  const [, prefix, id = '', checksum = ''] = SHAPE.exec(text) ?? [];
  if (prefix === undefined) return null;
  if (checksumOf(text.slice(0, -checksum.length)) !== checksum) return 'mistyped';
  return { kind: prefix === PREFIX.admin ? 'admin' : 'api', id: ID + id };
}

function checksumOf(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}

/** @param length digits that hold any number of so many bytes, or what their rest is cut to. */
function randomText(bytes: number, base: number, length: number): string {
  let rest = BigInt(`0x${randomBytes(bytes).toString('hex')}`);
  let text = '';
  for (let i = 0; i < length; i++) {
    text += DIGITS[Number(rest % BigInt(base))];
    rest /= BigInt(base);
  }
  return text;
}
