/**
 * How content is sealed: AES-256-GCM, as `mark and version | length of the key id | key id | nonce | ciphertext | tag`. What is authenticated beside
 * the content is the version, the key id, and the place it was sealed for, so that nothing can be put into another's place.
 *
 * Every record has a key of its own, derived from a data key. A nonce is 96 random bits, which NIST SP 800-38D allows 2³² times under one key: a log
 * that grows by an entry every 25 ms would take three years for that.
 */
import { createHmac, type KeyObject } from 'node:crypto';
import { asBuffer } from '@penstock/protocol';
import { decrypt, drawNonce, encrypt, KEY_BYTES, NONCE_BYTES, TAG_BYTES, toKey } from './aes-gcm.ts';

/** The first byte begins no UTF-8 text, and no format that an engine answers in. */
const MARK = Buffer.from([0xc1, 0x50, 0x53, 0x01]);
/** In front of what is sealed where only text can be kept: a control character begins no JSON. */
const TEXT_MARK = '\u0001sealed:';
const VERSION = 1;
const SHA256_BYTES = 32;
const FIRST_BLOCK = Buffer.from([1]);

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
  /** The same, as it is used. */
  readonly cipher: KeyObject;
  /** Of what is authenticated with all of the record, the beginning: the field follows. */
  readonly about: string;
  /** What stands in front of the nonce in all that is sealed with it. */
  readonly head: Buffer;
}

/** What is sealed cannot be opened: its key is not there, or it is not what was sealed. Never says what it holds. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

/** What the keys of records are derived from: the half of HKDF-SHA-256 (RFC 5869) that is the same for all of them, without a salt. */
export function extractOf(dataKey: Buffer): KeyObject {
  return toKey(createHmac('sha256', Buffer.alloc(SHA256_BYTES)).update(dataKey).digest());
}

/** The other half, for as many bytes as one block has. */
export function recordKeyOf(extract: KeyObject, keyId: string, place: Place): RecordKey {
  const info = aad(['penstock record key', VERSION, place.project, place.record]);
  return toRecordKey(createHmac('sha256', extract).update(info).update(FIRST_BLOCK).digest(), keyId, place);
}

/** @param key as it was derived. */
export function toRecordKey(key: Buffer, keyId: string, { project, record }: Place): RecordKey {
  const id = Buffer.from(keyId, 'latin1');
  return {
    ...{ project, record, keyId, key },
    cipher: toKey(key),
    about: JSON.stringify(['penstock sealed', VERSION, keyId, project, record]).slice(0, -1),
    head: Buffer.concat([MARK, Buffer.from([id.length]), id]),
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
  const nonce = drawNonce();
  return encrypt(by.cipher, nonce, content, placeOf(by, field), [by.head, nonce]);
}

/** @throws SealError */
export function openWith(by: RecordKey, field: string, sealed: Uint8Array): Buffer {
  const bytes = Buffer.isBuffer(sealed) ? sealed : asBuffer(sealed);
  const nonceAt = by.head.length;
  if (bytes.length < nonceAt || by.head.compare(bytes, 0, nonceAt) !== 0)
    throw new SealError(`the data key "${keyIdIn(sealed)}" is not the one at hand`);
  const textAt = nonceAt + NONCE_BYTES;
  const nonce = bytes.subarray(nonceAt, textAt);
  const content = decrypt(by.cipher, nonce, bytes.subarray(textAt), placeOf(by, field));
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
export function wrapKey(key: Buffer, by: KeyObject, about: readonly (string | number)[]): string {
  const nonce = drawNonce();
  return encrypt(by, nonce, key, aad(about), [nonce]).toString('base64url');
}

/** @throws SealError */
export function unwrapKey(wrapped: string, by: KeyObject, about: readonly (string | number)[]): Buffer {
  const bytes = Buffer.from(wrapped, 'base64url');
  if (bytes.length !== NONCE_BYTES + KEY_BYTES + TAG_BYTES) throw new SealError('a wrapped key is cut short');
  const key = decrypt(by, bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES), aad(about));
  if (key === null)
    throw new SealError('a wrapped key was changed, or wrapped under another key of the same name');
  return key;
}

function placeOf({ about }: RecordKey, field: string): Buffer {
  return Buffer.from(`${about},${JSON.stringify(field)}]`);
}

/** Lists as JSON: no two of different parts are alike. */
function aad(parts: readonly (string | number)[]): Buffer {
  return Buffer.from(JSON.stringify(parts));
}
