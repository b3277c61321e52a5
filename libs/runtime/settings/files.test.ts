import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { bucketOf, filesSettings } from './files.ts';

const encryptionOf = (given: Record<string, string>) =>
  bucketOf(z.object(filesSettings).parse({ PENSTOCK_FILES_S3_BUCKET: 'files', ...given }))?.encryption;

test('a bucket is asked for encryption as it is set, by a key alone, too', () => {
  const key = { PENSTOCK_FILES_S3_SSE_KMS_KEY: 'alias/files' };
  assert.equal(encryptionOf({}), undefined);
  assert.deepEqual(encryptionOf({ PENSTOCK_FILES_S3_SSE: 'AES256' }), {
    algorithm: 'AES256',
    kmsKey: undefined,
  });
  assert.deepEqual(encryptionOf(key), { algorithm: 'aws:kms', kmsKey: 'alias/files' });
  assert.throws(() => encryptionOf({ PENSTOCK_FILES_S3_SSE: 'aes' }), /give AES256 or aws:kms/);
});
