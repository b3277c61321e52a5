/** Dead letters on the command line: what failed on every attempt is found, looked at, run again, dropped. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildEngine } from '@penstock/engine-sim';
import { runKey } from '@penstock/protocol';
import { NatsDeadLetters } from '@penstock/transport';
import { Redis } from 'ioredis';
import { sdk } from '../../testkit/sdk.ts';
import { API_KEY, chat, errorOf, post, startStack, waitFor } from '../../testkit/stack.ts';

const DLQ = new URL('../../deploy/dlq/main.ts', import.meta.url).pathname;
const PROMPT = 'the secret of the penstock';

/** A simulated engine that answers 500 to everything while it is broken. */
async function startBreakableEngine() {
  const sim = buildEngine({ profile: 'instant' });
  await sim.listen(0);
  const state = { broken: true };
  const server = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    if (state.broken && request.method === 'POST') return response.writeHead(500).end('{}');
    const init = request.method === 'POST' ? { method: 'POST', body: Buffer.concat(body) } : {};
    const answer = await fetch(sim.url + request.url, {
      ...init,
      headers: { 'content-type': 'application/json' },
    });
    const type = answer.headers.get('content-type') ?? 'text/plain';
    response.writeHead(answer.status, { 'content-type': type }).end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    state,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await Promise.all([sim.close(), new Promise(resolve => server.close(resolve))]);
    },
  };
}

test('dead letters', async t => {
  await using engine = await startBreakableEngine();
  await using stack = await startStack({
    engineUrls: [engine.url],
    ingressEnv: { PENSTOCK_INLINE_BODY_BYTES: '2000' },
  });
  const dlq = (args: string[], env: Record<string, string> = {}) =>
    new Promise<{ code: number; out: string; err: string }>(resolve => {
      const wires = {
        PENSTOCK_NATS_URL: stack.nats.url,
        PENSTOCK_REDIS_URL: stack.redis.url,
        PENSTOCK_FILES_DIR: stack.filesDir,
      };
      const options = { env: { ...process.env, ...wires, NODE_OPTIONS: '', ...env } };
      execFile(process.execPath, [DLQ, ...args], options, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });
  const letters = await NatsDeadLetters.connect({ url: stack.nats.url, name: 'test' }, 'local');
  const listed = () => letters.list();
  const redis = new Redis(stack.redis.url);
  const submit = async (more: object = {}, prompt = PROMPT) => {
    const body = chat(prompt, { max_tokens: 3, ...more });
    const answer = await post(stack, '/v1/chat/completions', body, { headers: { prefer: 'respond-async' } });
    return ((await answer.json()) as { id: string }).id;
  };
  const fetchJob = (id: string) =>
    fetch(`${stack.url}/v1/jobs/${id}`, { headers: { authorization: `Bearer ${API_KEY}` } });
  const died = async (prompt = PROMPT) => {
    engine.state.broken = true;
    const id = await submit({}, prompt);
    await waitFor(async () => (await fetchJob(id)).status === 502);
    await waitFor(async () => (await listed()).some(letter => letter.id === id));
    return id;
  };

  await t.test('an empty list, and what a command line cannot mean', async () => {
    assert.match((await dlq(['list'])).out, /no dead letters/);
    const cases: [args: string[], env: Record<string, string>, code: number, says: RegExp][] = [
      [[], {}, 2, /name a command\n\nUsage/],
      [['list', '--force'], {}, 2, /--force/],
      [['show', 'nobody'], {}, 1, /no dead letter nobody: it was dropped/],
      [['list'], { PENSTOCK_REGION: 'moon' }, 1, /no stream DEAD_moon: .*PENSTOCK_REGION/],
      [['list'], { PENSTOCK_REDIS_URL: 'redis://127.0.0.1:1' }, 1, /PENSTOCK_REDIS_URL: no Redis answers/],
    ];
    await Promise.all(
      cases.map(async ([args, env, code, says]) => {
        const ran = await dlq(args, env);
        assert.equal(ran.code, code, `${args} ${ran.err}`);
        assert.match(ran.err, says);
        assert.doesNotMatch(ran.err, /\n {4}at /, 'no stack traces');
      }),
    );
  });

  await t.test('a prompt is shown only where it is asked for', async () => {
    const id = await died();
    for (const args of [['list'], ['list', '--json'], ['show', id]]) {
      const { out, code } = await dlq(args);
      assert.equal(code, 0);
      assert.ok(out.includes(id));
      assert.ok(!out.includes(PROMPT), args.join(' '));
    }
    assert.ok((await dlq(['show', id, '--body'])).out.includes(PROMPT));
    const shown = JSON.parse((await dlq(['show', id, '--json'])).out);
    assert.deepEqual(shown.run, { kind: 'job', status: 'failed', attempts: 3 });
    assert.deepEqual([shown.reason, shown.can_requeue, shown.endpoint], ['engine_error', true, 'chat']);
    assert.match(String(shown.message), /the engine failed \(500\)/);
  });

  await t.test('requeued work runs under its own id, with its attempts counted on', async () => {
    const [letter] = await listed();
    const id = letter?.id ?? '';
    engine.state.broken = false;
    assert.match((await dlq(['requeue', id])).out, /queued again/);
    await waitFor(async () => (await fetchJob(id)).status === 200);
    const answer = (await (await fetchJob(id)).json()) as { object: string };
    assert.equal(answer.object, 'chat.completion');
    assert.deepEqual(await listed(), []);
    assert.match((await dlq(['requeue', id])).err, /no dead letter/);
  });

  await t.test('work that fails again is found again, and can be dropped', async () => {
    const id = await died();
    assert.equal((await dlq(['requeue', id])).code, 0);
    await waitFor(async () => (await listed()).some(each => each.id === id));
    assert.equal((await errorOf(await fetchJob(id))).code, 'engine_error');
    assert.match((await dlq(['drop', id, '--json'])).out, /"done":"dropped"/);
    assert.deepEqual(await listed(), []);
  });

  await t.test('what nobody could fetch is not queued again, with the reason', async () => {
    engine.state.broken = true;
    assert.equal((await post(stack, '/v1/chat/completions', chat(PROMPT))).status, 502);
    await waitFor(async () => (await listed()).length === 1);
    const interactive = (await listed())[0]?.id ?? '';
    assert.match((await dlq(['requeue', interactive])).err, /its client waited on an open connection/);
    const expired = await died();
    await redis.del(runKey(expired));
    assert.match((await dlq(['requeue', expired])).err, /its record is gone/);
    assert.equal((await dlq(['drop', interactive, expired])).code, 0);
    assert.deepEqual(await listed(), []);
  });

  await t.test(
    'a client that deletes what it asked for deletes its dead letter, and that of its conversation',
    async () => {
      const large = `${PROMPT} ${'and more '.repeat(500)}`;
      const job = await died(large);
      const deleted = await fetch(`${stack.url}/v1/jobs/${job}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${API_KEY}` },
      });
      assert.equal(deleted.status, 200);
      const client = sdk(stack);
      const { id: conversation } = await client.conversations.create({});
      const [other, asked] = [await client.conversations.create({}), { model: 'sim-chat', input: PROMPT }];
      await assert.rejects(client.responses.create({ ...asked, conversation }));
      await assert.rejects(client.responses.create({ ...asked, conversation: other.id }));
      const { id } = await client.responses.create({ ...asked, background: true, conversation });
      await waitFor(async () => (await client.responses.retrieve(id)).status === 'failed');
      await waitFor(async () => (await listed()).length === 3);
      await client.responses.delete(id);
      assert.equal((await listed()).length, 2);
      await client.conversations.delete(conversation);
      const [left, ...none] = await listed();
      assert.deepEqual([left?.subject.endsWith(other.id.slice('conv_'.length)), none], [true, []]);
      assert.equal((await dlq(['drop', left?.id ?? ''])).code, 0);
      await waitFor(async () => (await readdir(join(stack.filesDir, 'bodies', 'local'))).length === 0);
    },
  );

  await t.test('with `store: false` nothing but the fact is left', async () => {
    engine.state.broken = true;
    const large = `${PROMPT} ${'and more '.repeat(500)}`;
    const client = sdk(stack);
    await assert.rejects(client.responses.create({ model: 'sim-chat', input: large, store: false }));
    const job = await submit({ store: false });
    await waitFor(async () => (await listed()).length === 2);
    for (const letter of await listed()) {
      const found = await letters.get(letter.id);
      assert.ok(!Buffer.from(found?.data ?? '').includes(PROMPT));
      assert.equal(letter.message, '');
    }
    assert.match((await dlq(['show', job, '--body', '--json'])).out, /"body":null/);
    assert.match((await dlq(['requeue', job])).err, /asked that nothing of it be kept/);
    await waitFor(async () => (await readdir(join(stack.filesDir, 'bodies', 'local'))).length === 0);
    assert.equal((await dlq(['drop', ...(await listed()).map(({ id }) => id)])).code, 0);
  });

  await t.test('a large body stays as long as its dead letter, and is run again with it', async () => {
    const kept = () => readdir(join(stack.filesDir, 'bodies', 'local'));
    const large = `${PROMPT} ${'and more '.repeat(500)}`;
    const [first, second] = [await died(large), await died(large)];
    assert.deepEqual((await kept()).sort(), [first, second].sort());
    assert.ok((await dlq(['show', first, '--body'])).out.includes(large));
    engine.state.broken = false;
    assert.equal((await dlq(['requeue', first])).code, 0);
    await waitFor(async () => (await fetchJob(first)).status === 200);
    await waitFor(async () => (await kept()).length === 1);
    assert.equal((await dlq(['drop', second])).code, 0);
    assert.deepEqual(await kept(), []);
  });
  redis.disconnect();
  await letters.close();
});
