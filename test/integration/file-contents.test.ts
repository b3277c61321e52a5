/**
 * One suite for every store of file contents. The bucket is a stand-in, or a real one where PENSTOCK_TEST_S3_ENDPOINT names a
 * server (bucket `penstock-test`, any credentials).
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, suite, type TestContext, test } from 'node:test';
import { ConnectError, type ContentStores, type FileContents, openStores } from '@penstock/transport';
import { testRequestBodies } from '@penstock/transport/contracts';
import { Authority } from '../../testkit/network/certificates.ts';
import { startS3 } from '../../testkit/s3.ts';

const OWNER = { project: 'p', file: 'file-1' };
const BUCKET = 'penstock-test';
let directory: string;
let standIn: Awaited<ReturnType<typeof startS3>>;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-contents-'));
  standIn = await startS3(BUCKET);
});
after(async () => {
  await standIn[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function bucket(more: object = {}): Promise<ContentStores> {
  const options = {
    bucket: BUCKET,
    prefix: 'files/',
    endpoint: process.env['PENSTOCK_TEST_S3_ENDPOINT'] ?? standIn.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test-secret' },
    uploadDirectory: join(directory, 'uploads'),
    ...more,
  };
  return openStores('unused', options, 'eu');
}

async function bytesOf(content: Readable | null): Promise<Buffer> {
  assert.ok(content !== null);
  return Buffer.concat(await content.toArray());
}

async function conformance(t: TestContext, store: FileContents, uploadDirectory: string): Promise<void> {
  const unfinished = async () => (await readdir(uploadDirectory)).filter(name => name.startsWith('.'));
  await t.test('what was put is there, whole, under the digest of its bytes', async () => {
    for (const size of [0, 1, 70_000, 6_000_000]) {
      const bytes = randomBytes(size);
      const { digest, bytes: length } = await store.put(Readable.from([bytes]), OWNER);
      assert.equal(length, size);
      assert.equal(digest, createHash('sha256').update(bytes).digest('hex'));
      assert.ok(await store.has(digest));
      assert.ok((await bytesOf(await store.open(digest, OWNER))).equals(bytes));
      await store.drop(digest);
    }
    assert.deepEqual(await unfinished(), []);
  });
  await t.test('the same content twice, also at once, is one', async () => {
    const put = () => store.put(Readable.from([Buffer.from('twice')]), OWNER);
    const [first, second] = await Promise.all([put(), put()]);
    assert.deepEqual(first, second);
    assert.equal(String(await bytesOf(await store.open(first.digest, OWNER))), 'twice');
    await store.drop(first.digest);
    assert.equal(await store.has(first.digest), false);
  });
  await t.test('what breaks off leaves nothing', async () => {
    const broken = Readable.from(
      (async function* () {
        yield randomBytes(100_000);
        throw new Error('broken off');
      })(),
    );
    await assert.rejects(store.put(broken, OWNER), /broken off/);
    assert.deepEqual(await unfinished(), []);
  });
  await t.test('what is not there is null, and dropping it is no mistake', async () => {
    const nothing = '0'.repeat(64);
    assert.equal(await store.open(nothing, OWNER), null);
    assert.equal(await store.has(nothing), false);
    await store.drop(nothing);
    await assert.rejects(async () => store.has('../../etc/passwd'), TypeError);
  });
}

test('a directory', async t => {
  const path = join(directory, 'contents');
  await conformance(t, (await openStores(path, null, 'eu')).contents, path);
  assert.deepEqual(await readdir(path), []);
});

test('a bucket', async t => {
  await conformance(t, (await bucket()).contents, join(directory, 'uploads'));
  assert.equal(standIn.objects.size, 0);
});

test('each object is put with the encryption that is asked for, whichever way it comes', async () => {
  const key = 'arn:aws:kms:eu-west-1:1:key/abc';
  await using s3 = await startS3(BUCKET);
  const put = async (encryption: object | undefined) => {
    s3.encryption.clear();
    const { contents, bodies } = await bucket({ endpoint: s3.endpoint, encryption });
    await contents.put(Readable.from([randomBytes(6_000_000)]), OWNER);
    await bodies.put('r1', randomBytes(10), 'p');
    await bodies.put('r2', Readable.from([randomBytes(10)]), 'p');
    assert.equal(s3.encryption.size, 3);
    const [first, ...others] = [...s3.encryption.values()];
    for (const other of others) assert.deepEqual(other, first);
    return first;
  };
  assert.deepEqual(await put(undefined), {});
  assert.deepEqual(await put({ algorithm: 'AES256' }), { 'x-amz-server-side-encryption': 'AES256' });
  assert.deepEqual(await put({ algorithm: 'aws:kms', kmsKey: key }), {
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': key,
  });
  const both = { algorithm: 'AES256', kmsKey: key };
  await assert.rejects(bucket({ encryption: both }), /takes no key of KMS/);
});

suite('bodies of requests in a directory', () => {
  let stores: ContentStores;
  before(async () => {
    stores = await openStores(join(directory, 'contents'), null, 'eu');
  });
  testRequestBodies(() => stores.bodies);
  test('another region has its own', async () => {
    await stores.bodies.put('r1', Buffer.from('here'), 'p');
    const other = await openStores(join(directory, 'contents'), null, 'us');
    for await (const found of other.bodies.list()) assert.fail(found.id);
  });
  test('a body whose process died while writing it is tidied up', async () => {
    const folder = join(directory, 'contents', 'bodies', 'eu');
    for (const name of ['.upload-old', '.upload-new']) await writeFile(join(folder, name), 'half');
    await utimes(join(folder, '.upload-old'), 0, Date.now() / 1000 - 7200);
    await stores.bodies.tidy();
    assert.deepEqual((await readdir(folder)).sort(), ['.upload-new', 'r1']);
  });
});

suite('bodies of requests in a bucket', () => {
  let stores: ContentStores;
  before(async () => {
    stores = await bucket();
  });
  testRequestBodies(() => stores.bodies);
});

test('a bucket that is not there ends the start with a reason', async () => {
  await assert.rejects(bucket({ bucket: 'nobody' }), ConnectError);
  await assert.rejects(bucket({ endpoint: 'http://127.0.0.1:1' }), ConnectError);
});

test('a bucket behind TLS is trusted by its authority alone', async () => {
  const authority = new Authority();
  await using s3 = await startS3(BUCKET, authority.issue('s3'));
  const { contents } = await bucket({ endpoint: s3.endpoint, ca: authority.ca });
  const { digest } = await contents.put(Readable.from([Buffer.from('by TLS')]), OWNER);
  assert.equal((await bytesOf(await contents.open(digest, OWNER))).toString(), 'by TLS');
  await assert.rejects(bucket({ endpoint: s3.endpoint, ca: new Authority('another').ca }), ConnectError);
});
