/**
 * How content is sealed: AES-256-GCM, as `mark and version | length of the key id | key id | nonce | ciphertext | tag`. What is authenticated beside
 * the content is the version, the key id, and the place it was sealed for, so that nothing can be put into another's place.
 *
 * Every record has a key of its own, derived from a data key. A nonce is 96 random bits, which NIST SP 800-38D allows 2³² times under one key: a log
 * that grows by an entry every 25 ms would take three years for that.
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import { asBuffer } from '@penstock/protocol';
import { decrypt, encrypt, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from './aes-gcm.ts';

/** The first byte begins no UTF-8 text, and no format that an engine answers in. */
const MARK = Buffer.from([0xc1, 0x50, 0x53, 0x01]);
/** In front of what is sealed where only text can be kept: a control character begins no JSON. */
const TEXT_MARK = '\u0001sealed:';
const VERSION = 1;

/** Where content is kept: nothing that was sealed for one place opens in another. */
export interface Place {
  readonly project: string;
  /** What it belongs to: `run:<id>`. */
  readonly record: string;
}

/** The key of one record. */
export interface RecordKey extends Place {
  /** Of the data key that it was derived from. */
  readonly keyId: string;
  readonly key: Buffer;
}

/** What is sealed cannot be opened: its key is not there, or it is not what was sealed. Never says what it holds. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

export function recordKeyOf(dataKey: Buffer, keyId: string, { project, record }: Place): RecordKey {
  const info = aad(['penstock record key', VERSION, project, record]);
  return {
    ...{ project, record, keyId },
    key: Buffer.from(hkdfSync('sha256', dataKey, Buffer.alloc(0), info, KEY_BYTES)),
  };
}

export function isSealed(bytes: Uint8Array): boolean {
  return (
    bytes.length >= MARK.length &&
    bytes[0] === MARK[0] &&
    bytes[1] === MARK[1] &&
    bytes[2] === MARK[2] &&
    bytes[3] === MARK[3]
  );
}

/** Id of the data key. @throws SealError where it is no whole one. */
export function keyIdIn(sealed: Uint8Array): string {
  const end = MARK.length + 1 + (sealed[MARK.length] ?? 0);
  if (!isSealed(sealed) || sealed.length < end + NONCE_BYTES + TAG_BYTES)
    throw new SealError('something sealed is cut short');
  return asBuffer(sealed).toString('latin1', MARK.length + 1, end);
}

/** @param field of the record. */
export function sealWith(by: RecordKey, field: string, content: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const id = Buffer.from(by.keyId, 'latin1');
  const head = Buffer.concat([MARK, Buffer.from([id.length]), id, nonce]);
  return encrypt(by.key, nonce, content, placeOf(by, field), head);
}

/** @throws SealError */
export function openWith(by: RecordKey, field: string, sealed: Uint8Array): Buffer {
  if (keyIdIn(sealed) !== by.keyId)
    throw new SealError(`the data key "${keyIdIn(sealed)}" is not the one at hand`);
  const bytes = asBuffer(sealed);
  const nonceAt = MARK.length + 1 + by.keyId.length;
  const textAt = nonceAt + NONCE_BYTES;
  const nonce = bytes.subarray(nonceAt, textAt);
  const content = decrypt(by.key, nonce, bytes.subarray(textAt), placeOf(by, field));
  if (content === null)
    throw new SealError(
      `${field} of ${by.record} is not what was sealed with the data key "${by.keyId}": it was changed, or belongs elsewhere`,
    );
  return content;
}

export function isSealedText(text: string): boolean {
  return text.startsWith(TEXT_MARK);
}

export function toSealedText(sealed: Buffer): string {
  return TEXT_MARK + sealed.toString('base64');
}

/** @param text see {@link isSealedText}. */
export function fromSealedText(text: string): Buffer {
  return Buffer.from(text.slice(TEXT_MARK.length), 'base64');
}

/** Wraps a key under another. @param about what it is for, which it is bound to. */
export function wrapKey(key: Buffer, by: Buffer, about: readonly (string | number)[]): string {
  const nonce = randomBytes(NONCE_BYTES);
  return encrypt(by, nonce, key, aad(about), nonce).toString('base64url');
}

/** @throws SealError */
export function unwrapKey(wrapped: string, by: Buffer, about: readonly (string | number)[]): Buffer {
  const bytes = Buffer.from(wrapped, 'base64url');
  if (bytes.length !== NONCE_BYTES + KEY_BYTES + TAG_BYTES) throw new SealError('a wrapped key is cut short');
  const key = decrypt(by, bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES), aad(about));
  if (key === null)
    throw new SealError('a wrapped key was changed, or wrapped under another key of the same name');
  return key;
}

function placeOf({ keyId, project, record }: RecordKey, field: string): Buffer {
  return aad(['penstock sealed', VERSION, keyId, project, record, field]);
}

/** Lists as JSON: no two of different parts are alike. */
function aad(parts: readonly (string | number)[]): Buffer {
  return Buffer.from(JSON.stringify(parts));
}
