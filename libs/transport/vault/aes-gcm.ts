/** AES-256-GCM, and how many bytes its parts have. */
import { createCipheriv, createDecipheriv } from 'node:crypto';

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const ALGORITHM = 'aes-256-gcm';
const OPTIONS = { authTagLength: TAG_BYTES };
const NOTHING = Buffer.alloc(0);

/** @param about authenticated with the content. @param head is put in front, as it is. @returns `head | ciphertext | tag`. */
export function encrypt(
  key: Buffer,
  nonce: Buffer,
  content: Uint8Array,
  about: Buffer = NOTHING,
  head: Buffer = NOTHING,
): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS).setAAD(about);
  // Counter mode: the last block is padded to nothing, so `final` gives no bytes.
  const text = cipher.update(content);
  cipher.final();
  return Buffer.concat([head, text, cipher.getAuthTag()]);
}

/** @param sealed `ciphertext | tag`. @returns null where it is not what was encrypted so. */
export function decrypt(key: Buffer, nonce: Buffer, sealed: Buffer, about: Buffer = NOTHING): Buffer | null {
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
