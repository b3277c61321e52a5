import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Authority } from '../../../testkit/network/certificates.ts';
import { Certificate } from './certificate.ts';

const authority = new Authority();
const log = { info() {}, warn() {} };

test('without settings there is none; a pair that cannot be used is refused at the start, by the setting', () => {
  const none = { files: null, log };
  assert.equal(Certificate.of({ ...none, cert: undefined, key: undefined }), null);
  const { cert } = authority.issue('api');
  assert.throws(
    () => Certificate.of({ ...none, cert, key: undefined }),
    /PENSTOCK_TLS_CERT and PENSTOCK_TLS_KEY/,
  );
  assert.throws(
    () => Certificate.of({ ...none, cert, key: authority.issue('b').key }),
    /PENSTOCK_TLS_KEY is not/,
  );
});

test('files are read again; what is broken in them is said once, and the pair stays', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-pair-'));
  t.after(() => rm(dir, { recursive: true }));
  const files = { cert: join(dir, 'crt'), key: join(dir, 'key') };
  const write = (cert: string, key: string) =>
    Promise.all([writeFile(files.cert, `${cert}\n`), writeFile(files.key, key)]);
  const [first, second] = [authority.issue('api'), authority.issue('api', 60)];
  await write(first.cert, first.key);
  const lines: string[] = [];
  const told = {
    info: () => void lines.push('new'),
    warn: ({ reason }: object & { reason?: string }) => void lines.push(reason ?? ''),
  };
  const certificate = Certificate.of({ ...first, files, log: told as never });
  assert.ok(certificate);
  const used: string[] = [];
  certificate.whenNew(({ cert }) => void used.push(cert));
  await certificate.look();
  await write(second.cert, first.key);
  await certificate.look();
  await certificate.look();
  assert.deepEqual([used, certificate.isStale, certificate.pair.key], [[], true, first.key]);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /PENSTOCK_TLS_KEY is not the key/);
  await rm(files.key);
  await certificate.look();
  await certificate.look();
  assert.deepEqual([lines.length, certificate.isStale], [1, true]);
  await write(second.cert, second.key);
  await certificate.look();
  assert.deepEqual([used.length, certificate.isStale, lines.at(-1)], [1, false, 'new']);
  assert.ok(certificate.endsAt > Date.now() / 1000 + 50 * 86_400);
  await rm(files.key);
  await certificate.look();
  assert.equal(certificate.isStale, true);
  await write(second.cert, second.key);
  await certificate.look();
  assert.equal(certificate.isStale, false);
  // Back to what was used before: nothing is broken.
  await writeFile(files.cert, 'nonsense');
  await certificate.look();
  await write(second.cert, second.key);
  await certificate.look();
  assert.equal(certificate.isStale, false);
});
