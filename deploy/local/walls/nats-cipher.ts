/** JetStream's own encryption of what it stores, for the NATS that a local stack starts. */
import { hash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StartConfig } from '../config.ts';
import { keyOf, StartError } from '../data-dir.ts';

/** Of the key that the store was encrypted with: NATS passes over streams that it cannot decrypt, and empty ones would take their places. */
const MARK = 'nats-cipher';
/** What NATS includes in its configuration of JetStream. */
export const NATS_CIPHER = 'nats-cipher.conf';

/**
 * Writes what NATS includes. A store of before is encrypted by NATS at its start.
 * @throws StartError where the store is encrypted, and not so.
 */
export function writeNatsCipher(
  dataDir: string,
  { PENSTOCK_NATS_CIPHER: cipher, PENSTOCK_NATS_CIPHER_KEY: given }: StartConfig,
): void {
  const mark = join(dataDir, MARK);
  const before = existsSync(mark) ? readFileSync(mark, 'utf8').trim() : null;
  if (cipher === 'off' && given !== undefined)
    throw new StartError('PENSTOCK_NATS_CIPHER_KEY is set, and PENSTOCK_NATS_CIPHER is not: set that to aes');
  if (cipher === 'off' && before !== null)
    throw new StartError(
      `what NATS keeps in ${dataDir} is encrypted: set PENSTOCK_NATS_CIPHER=aes, or choose another directory with PENSTOCK_DATA_DIR`,
    );
  if (cipher === 'off') return write(join(dataDir, NATS_CIPHER), '');
  const key = keyOf(dataDir, 'nats-cipher-key', given);
  const own = hash('sha256', key).slice(0, 16);
  if (before !== null && before !== own)
    throw new StartError(
      `what NATS keeps in ${dataDir} is encrypted with another key: give that one with PENSTOCK_NATS_CIPHER_KEY_FILE`,
    );
  write(join(dataDir, NATS_CIPHER), `cipher: ${cipher}\nkey: ${JSON.stringify(key)}\n`);
  write(mark, `${own}\n`);
}

function write(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}
