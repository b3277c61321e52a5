/** AES-256-GCM, and how many bytes its parts have. */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from 'node:crypto';

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const ALGORITHM = 'aes-256-gcm';
const OPTIONS = { authTagLength: TAG_BYTES };
const NOTHING = Buffer.alloc(0);
/** Random bytes are drawn for so many nonces at a time. */
const NONCES_AT_ONCE = 512;

let drawn = NOTHING;

/** A key as it is used: making a cipher with its bare bytes takes eight times as long. */
export function toKey(bytes: Buffer): KeyObject {
  return createSecretKey(bytes);
}

/** At random, and no other's. */
export function drawNonce(): Buffer {
  if (drawn.length === 0) drawn = randomFillSync(Buffer.allocUnsafeSlow(NONCES_AT_ONCE * NONCE_BYTES));
  const nonce = drawn.subarray(0, NONCE_BYTES);
  drawn = drawn.subarray(NONCE_BYTES);
  return nonce;
}

/** @param about authenticated with the content. @param front is put in front, as it is. @returns `front | ciphertext | tag`. */
export function encrypt(
  key: KeyObject,
  nonce: Buffer,
  content: Uint8Array,
  about: Buffer = NOTHING,
  front: readonly Buffer[] = [],
): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS).setAAD(about);
  // Counter mode: the last block is padded to nothing, so `final` gives no bytes.
  const text = cipher.update(content);
  cipher.final();
  return Buffer.concat([...front, text, cipher.getAuthTag()]);
}

/** @param sealed `ciphertext | tag`. @returns null where it is not what was encrypted so. */
export function decrypt(
  key: KeyObject,
  nonce: Buffer,
  sealed: Buffer,
  about: Buffer = NOTHING,
): Buffer | null {
  const tagAt = sealed.length - TAG_BYTES;
  if (tagAt < 0) return null;
  const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS)
    .setAAD(about)
    .setAuthTag(sealed.subarray(tagAt));
  const content = decipher.update(sealed.subarray(0, tagAt));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return content;
}
