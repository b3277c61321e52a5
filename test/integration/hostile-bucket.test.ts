/** A bucket that is slow, never ends, lies, sends elsewhere, or quotes what it was sent: what asks it is told so in time, takes little memory, and says nothing of it. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { openStores } from '@penstock/transport';

const SECRET = 'secret-access-key-of-the-tests';
const OWNER = { project: 'p', file: 'file-1' };
const IDLE_MS = 300;
/** Three attempts, their pauses, and a busy machine. */
const IN_TIME_MS = 15_000;
const MEGABYTE = Buffer.alloc(1024 * 1024, ' ');

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const FINE: Answer = (_, response) => response.writeHead(200).end();

let answer: Answer = FINE;
const seen: string[] = [];
let sentBytes = 0;
const server = createServer((request, response) => {
  seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
  request.resume();
  // It is let in.
  if (request.url?.startsWith('/penstock-test/?') !== true && request.method === 'HEAD' && answer !== hang)
    if (/^\/penstock-test\/?$/.test(request.url ?? '')) return FINE(request, response);
  answer(request, response);
});
const elsewhere = { asked: 0, url: '' };
const other = createServer((_, response) => {
  elsewhere.asked++;
  response.end();
});
let directory: string;

const hang: Answer = () => {};

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-hostile-'));
  for (const each of [server, other])
    await new Promise<void>(resolve => each.listen(0, '127.0.0.1', resolve));
  elsewhere.url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
});
after(async () => {
  for (const each of [server, other]) {
    each.closeAllConnections();
    each.close();
  }
  await rm(directory, { recursive: true, force: true });
});

async function stores() {
  const before = answer;
  answer = FINE;
  const opened = await connect();
  answer = before;
  return opened;
}

function connect() {
  return openStores(
    'unused',
    {
      ...{ bucket: 'penstock-test', prefix: 'files/', region: 'us-east-1', idleMs: IDLE_MS },
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: 'test', secretAccessKey: SECRET },
      uploadDirectory: join(directory, 'uploads'),
    },
    'eu',
  );
}

/** What is said where it fails, with all that a log would have of it. */
async function failure(asked: Promise<unknown>): Promise<string> {
  const from = performance.now();
  const err = await asked.then(
    () => assert.fail('it has to fail'),
    (reason: Error) => reason,
  );
  assert.ok(performance.now() - from < IN_TIME_MS, `after ${Math.round(performance.now() - from)} ms`);
  const told = inspect(err, { depth: 9, showHidden: true });
  assert.ok(!told.includes(SECRET));
  return `${err.name}: ${err.message}`;
}

const xml =
  (text: string): Answer =>
  (_, response) =>
    response.writeHead(200, { 'content-type': 'application/xml' }).end(text);
const error =
  (status: number, code: string, message: string): Answer =>
  (_, response) =>
    response.writeHead(status).end(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`);

/** Sends on and on, as fast as it is read. */
const flood =
  (status: number, head: string): Answer =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.write(head);
    sentBytes = 0;
    const more = () => {
      while (!response.destroyed) {
        sentBytes += MEGABYTE.length;
        if (!response.write(MEGABYTE)) return;
      }
    };
    response.on('drain', more).on('error', () => {});
    more();
  };

/** A byte now and then: never silent for long. */
const drip =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (_, response) => {
    response.writeHead(status, headers);
    const timer = setInterval(() => response.write(' '), IDLE_MS / 4);
    response.on('close', () => clearInterval(timer));
  };

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const NAME = 'a'.repeat(64);
const CLAIM = { digest: hash('sha256', 'hello'), bytes: 5 };

test('one that hangs, or drips, is given up in time', async () => {
  answer = hang;
  assert.match(
    await failure(connect()),
    /^ConnectError: the bucket cannot be used: it did not answer in time$/,
  );
  const { contents, bodies } = await stores();
  answer = hang;
  assert.match(await failure(contents.has(NAME)), /^BucketError: it did not answer in time$/);
  assert.match(await failure(contents.drop(NAME)), /^BucketError/);
  assert.match(await failure(contents.put(Readable.from(['x']), OWNER)), /^BucketError/);
  for (const drips of [drip(500), drip(200, { 'content-type': 'application/xml' })]) {
    answer = drips;
    assert.match(await failure(all(bodies.list())), /^BucketError/);
  }
  answer = drip(200, { 'content-length': '1000000' });
  assert.match(
    await failure(bodies.read('id', { ...CLAIM, bytes: 1e6 })),
    /^DispatchError: .*could not be read/,
  );
});

test('an answer without end is not read to its end', async () => {
  const { contents, bodies } = await stores();
  const before = process.memoryUsage().rss;
  answer = flood(200, '<ListBucketResult>');
  assert.match(await failure(all(bodies.list())), /^BucketError: its answer is too long/);
  assert.ok(sentBytes < 64 * MEGABYTE.length, `${sentBytes} bytes`);
  answer = flood(503, '<Error><Code>SlowDown</Code><Message>');
  assert.match(await failure(contents.open(NAME, OWNER)), /^BucketError/);
  assert.ok(sentBytes < 64 * MEGABYTE.length, `${sentBytes} bytes`);
  answer = flood(200, '');
  assert.match(await failure(bodies.read('id', CLAIM)), /^DispatchError: .*is damaged/);
  assert.ok(sentBytes < 64 * MEGABYTE.length, `${sentBytes} bytes`);
  assert.ok(process.memoryUsage().rss - before < 200 * MEGABYTE.length);
});

test('a content is what was put, or reading it fails before its last piece', async () => {
  const { contents, bodies } = await stores();
  const wrong: readonly (readonly [about: string, answer: Answer])[] = [
    ['another', (_, response) => response.end('jello')],
    ['longer', (_, response) => response.end('hello, world')],
    ['shorter', (_, response) => response.end('hel')],
    [
      'cut off',
      (_, response) =>
        void response.writeHead(200, { 'content-length': '5' }).write('hel', () => response.destroy()),
    ],
    ['none', (_, response) => response.end()],
  ];
  for (const [about, each] of wrong) {
    answer = each;
    assert.match(await failure(bodies.read('id', CLAIM)), /^DispatchError/, about);
    let got = '';
    const reading = (async () => {
      for await (const piece of (await contents.open(CLAIM.digest, OWNER)) ?? assert.fail())
        got += String(piece);
    })();
    assert.ok((await failure(reading)).length > 0, about);
    assert.ok(got.length < 5, `${about}: ${got}`);
  }
  answer = (_, response) => response.end('hello');
  assert.equal(String(await bodies.read('id', CLAIM)), 'hello');
});

test('nothing that it says is quoted: neither codes nor messages, which may be what it was sent', async () => {
  const { contents } = await stores();
  const echo = `${SECRET}\nInjected: yes ${'x'.repeat(10_000)}`;
  for (const status of [400, 403, 500, 503]) {
    answer = error(status, echo, echo);
    const said = await failure(contents.drop(NAME));
    assert.match(said, new RegExp(`^BucketError: it answered ${status}( \\([A-Za-z0-9_]{1,64}\\))?$`));
  }
  answer = error(503, 'SlowDown', 'please');
  assert.equal(await failure(contents.drop(NAME)), 'BucketError: it answered 503 (SlowDown)');
  answer = error(404, 'NoSuchKey', echo);
  assert.equal(await contents.open(NAME, OWNER), null);
  assert.ok(
    seen.every(request => !request.includes(SECRET)),
    'the secret itself is sent to nobody',
  );
});

test('it sends nobody elsewhere', async () => {
  const { contents, bodies } = await stores();
  for (const status of [301, 302, 307, 308]) {
    answer = (_, response) => {
      const location = { location: elsewhere.url, 'x-amz-bucket-region': 'eu-west-1' };
      response.writeHead(status, location).end(`<Error><Endpoint>${elsewhere.url}</Endpoint></Error>`);
    };
    assert.match(await failure(contents.open(NAME, OWNER)), /^BucketError: it answered 30/);
    assert.match(await failure(contents.put(Readable.from(['x']), OWNER)), /^BucketError/);
    assert.match(await failure(all(bodies.list())), /^BucketError/);
  }
  assert.equal(elsewhere.asked, 0);
});

test('what it calls XML expands to nothing, and takes neither the process nor its time', async () => {
  const { bodies } = await stores();
  const names = 'abcdefghij'.split('');
  const laughs = names.map(
    (name, i) => `<!ENTITY ${name} "${i === 0 ? 'ha' : `&${names[i - 1]};`.repeat(10)}">`,
  );
  const listing = (key: string) =>
    `<ListBucketResult><Contents><Key>${key}</Key></Contents></ListBucketResult>`;
  const bombs = [
    `<!DOCTYPE l [${laughs.join('')}]>${listing('files/bodies/eu/&j;')}`,
    `<!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]>${listing('files/bodies/eu/&f;')}`,
    `${'<a>'.repeat(100_000)}`,
    `<ListBucketResult ${'a="b" '.repeat(50_000)}/>`,
    '<__proto__><polluted>1</polluted></__proto__>',
    '',
    'no XML',
    '<ListBucketResult><Contents><Key>',
  ];
  for (const bomb of bombs) {
    answer = xml(bomb);
    const from = performance.now();
    const found = await all(bodies.list()).catch((err: Error) => {
      assert.equal(err.name, 'BucketError');
      return [];
    });
    assert.deepEqual(found, [], bomb.slice(0, 40));
    assert.ok(performance.now() - from < IN_TIME_MS);
  }
  assert.equal(({} as { polluted?: string }).polluted, undefined);
});

test('keys that were not asked for, or are none of ours, are not looked at, and a list in a circle is left', async () => {
  const { bodies } = await stores();
  const keys = [
    'bodies/eu/outside',
    'files/bodies/us/r1',
    'files/bodies/eu/../../x',
    'files/bodies/eu/',
    'files/bodies/eu/r-1',
  ];
  const contents = keys.map(key => `<Contents><Key>${key}</Key></Contents>`).join('');
  answer = xml(
    `<ListBucketResult>${contents}<NextContinuationToken>same</NextContinuationToken></ListBucketResult>`,
  );
  const from = seen.length;
  assert.deepEqual(
    (await all(bodies.list())).map(({ id }) => id),
    ['r-1', 'r-1'],
  );
  assert.equal(seen.length - from, 2);
});
