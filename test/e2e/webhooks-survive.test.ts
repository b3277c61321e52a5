/** Events outlive every process: nothing that ended is forgotten, whoever dies in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { accept, startReceiver } from '../../testkit/receiver.ts';
import { sdk } from '../../testkit/sdk.ts';
import { chat, post, startStack, waitFor } from '../../testkit/stack.ts';

const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };

test('webhooks survive', async t => {
  await using receiver = await startReceiver();
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100', timeScale: 20, listSentinels: true }],
    ingressEnv: ALLOW,
    tasksEnv: { ...ALLOW, PENSTOCK_WEBHOOK_SCHEDULE_SCALE: '0.01' },
  });
  const client = sdk(stack);
  const create = (path: string, types: readonly string[] = ['job.completed']) =>
    client.webhooks.create({
      ...{ url: receiver.url + path, name: path, event_types: types as 'batch.completed'[] },
    });
  const job = async (headers: Record<string, string> = {}, body: object = chat('hi', { max_tokens: 2 })) => {
    const answer = await post(stack, '/v1/chat/completions', body, {
      headers: { prefer: 'respond-async', ...headers },
    });
    return ((await answer.json()) as { id: string }).id;
  };
  const jobs = (count: number) => Promise.all(Array.from({ length: count }, () => job()));
  /** Waits until each has come, and checks that each has one id. */
  const allTold = async (path: string, ids: readonly string[]) => {
    await waitFor(() => new Set(receiver.to(path).map(each => each.event.data.id)).size >= ids.length);
    const byJob = new Map<string, Set<string>>();
    for (const { event } of receiver.to(path))
      byJob.set(event.data.id, (byJob.get(event.data.id) ?? new Set()).add(event.id));
    assert.deepEqual([...byJob.keys()].sort(), [...ids].sort());
    for (const events of byJob.values()) assert.equal(events.size, 1);
  };
  const redis = new Redis(stack.redis.url);
  redis.on('error', () => {});
  t.after(() => redis.disconnect());
  /** Names of BullMQ jobs: event, then endpoint. */
  const deliveriesUnderWay = () => redis.lrange('bull:penstock-webhooks:active', 0, -1);
  const restartTasks = async () => {
    stack.tasks[0]?.kill('SIGKILL');
    await stack.tasks[0]?.exited;
    stack.tasks[0] = await stack.startTasks();
  };

  await t.test('what ended while no tasks process ran is delivered by the next one', async () => {
    const endpoint = await create('/later');
    stack.tasks[0]?.kill('SIGKILL');
    await stack.tasks[0]?.exited;
    const ids = await jobs(20);
    await stack.redis.restart();
    stack.tasks[0] = await stack.startTasks();
    await allTold('/later', ids);
    await client.webhooks.delete(endpoint.id);
  });

  await t.test('a tasks process killed in the middle of deliveries loses none', async () => {
    const held: string[] = [];
    const answered: string[] = [];
    receiver.behave('/middle', (response, received, count) => {
      (count <= 5 ? held : answered).push(received.event.data.id);
      if (count > 5) accept(response, received, count);
    });
    const endpoint = await create('/middle');
    const ids = await jobs(15);
    await waitFor(() => held.length === 5 && answered.length === 10);
    // An answer that the process has not recorded when it dies is asked for again: only what is recorded is never repeated.
    const heldEvents = receiver.to('/middle').filter(({ event }) => held.includes(event.data.id));
    await waitFor(async () =>
      (await deliveriesUnderWay()).every(job => heldEvents.some(({ event }) => job.startsWith(event.id))),
    );
    await restartTasks();
    await waitFor(() => held.every(id => answered.includes(id)));
    await allTold('/middle', ids);
    const repeated = answered.filter((id, i) => answered.indexOf(id) !== i);
    assert.deepEqual(
      repeated.filter(id => !held.includes(id)),
      [],
      'what was recorded as delivered is not sent again',
    );
    await client.webhooks.delete(endpoint.id);
  });

  await t.test(
    'a job that was not begun in time is delivered as failed, although nobody asks for it',
    async () => {
      await create('/overdue', ['job.failed']);
      stack.workers[0]?.kill('SIGSTOP');
      const id = await job({ 'x-request-timeout-ms': '300' });
      await allTold('/overdue', [id]);
      stack.workers[0]?.kill('SIGCONT');
    },
  );
});
