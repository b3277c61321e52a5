/** The log of a background response: live, resumed anywhere and at any time, through every death on the way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ask,
  assertGapless,
  bodyOf,
  eventsOf,
  type ResponseEvent,
  readEvents,
  saidTo,
  textOf,
} from '../../testkit/responses.ts';
import { API_KEY, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const MODEL = 'sim-chat';
const background = (input: string, tokens: number) => ({
  ...{ model: MODEL, input, background: true, max_output_tokens: tokens },
});

/** Starts one and waits until its engine has said something. */
async function begin(stack: Stack, input: string, tokens: number): Promise<string> {
  const { id } = await bodyOf(ask(stack.url, '/v1/responses', { json: background(input, tokens) }));
  await waitFor(() => stack.engines.some(engine => engine.stats().running > 0));
  return id;
}

const resume = (url: string, id: string, after?: number) =>
  ask(url, `/v1/responses/${id}?stream=true${after === undefined ? '' : `&starting_after=${after}`}`);
const isFinished = async (stack: Stack, id: string) =>
  !['queued', 'in_progress'].includes((await bodyOf(ask(stack.url, `/v1/responses/${id}`))).status);

test('stored streams', async t => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }],
    leaseMs: 2000,
  });
  const other = await stack.addIngress('in-2');

  await t.test('deltas of a background response come while it runs', async () => {
    const answer = await ask(stack.url, '/v1/responses', {
      json: { ...background('Live', 200), stream: true },
    });
    const events: ResponseEvent[] = [];
    let status = '';
    for await (const event of eventsOf(answer)) {
      if (event === null) continue;
      events.push(event);
      if (textOf(events).length > 20 && status === '') {
        const id = events[0]?.response?.id;
        status = (await bodyOf(ask(other.url, `/v1/responses/${id}`))).status;
      }
    }
    assert.equal(status, 'in_progress');
    assert.deepEqual(
      events.slice(0, 5).map(event => event.type),
      [
        'response.created',
        'response.queued',
        'response.in_progress',
        'response.output_item.added',
        'response.content_part.added',
      ],
    );
    assert.ok(events.filter(event => event.type === 'response.output_text.delta').length > 10);
    assert.equal(events.at(-1)?.type, 'response.incomplete');
    assert.equal(textOf(events), saidTo('Live', 200));
    assertGapless(events);
  });

  await t.test('a background stream aborted at its first byte still completes', async () => {
    const abort = new AbortController();
    const answer = await ask(stack.url, '/v1/responses', {
      json: { ...background('Aborted', 120), stream: true },
      signal: abort.signal,
    });
    let id = '';
    for await (const event of eventsOf(answer)) {
      id = event?.response?.id ?? '';
      break;
    }
    abort.abort();
    await waitFor(() => isFinished(stack, id));
    const done = await bodyOf(ask(stack.url, `/v1/responses/${id}`));
    assert.equal(done.output[0]?.content?.[0]?.text, saidTo('Aborted', 120));
  });

  await t.test('a background client that disconnects at once loses nothing', async () => {
    const abort = new AbortController();
    const metadata = { who: 'left' };
    const json = { ...background('Left', 150), metadata, stream: true };
    const asked = ask(stack.url, '/v1/responses', { json, signal: abort.signal });
    await waitFor(() => stack.engines.some(engine => engine.stats().running > 0));
    const aborted = stack.engines.reduce((sum, engine) => sum + engine.stats().aborted, 0);
    abort.abort();
    await asked.then(answer => answer.text()).catch(() => {});
    await waitFor(() => stack.engines.every(engine => engine.stats().running === 0));
    assert.equal(
      stack.engines.reduce((sum, engine) => sum + engine.stats().aborted, 0),
      aborted,
    );
  });

  await t.test(
    'a stream is resumed at 0, in the middle, at the last event and beyond, on both nodes',
    async () => {
      const id = await begin(stack, 'Resume', 60);
      await waitFor(() => isFinished(stack, id));
      const all = await readEvents(resume(stack.url, id));
      assert.equal(textOf(all), saidTo('Resume', 60));
      const last = all.length - 1;
      for (const url of [stack.url, other.url])
        for (const after of [0, Math.floor(last / 2), last - 1, last, 10_000])
          assert.deepEqual(await readEvents(resume(url, id, after)), all.slice(after + 1));
    },
  );

  await t.test(
    'two readers at once, one on another node and one that joins late, read the same',
    async () => {
      const id = await begin(stack, 'Together', 250);
      const early = [readEvents(resume(stack.url, id)), readEvents(resume(other.url, id))];
      let joined: Promise<ResponseEvent[]> | null = null;
      for await (const event of eventsOf(await resume(other.url, id))) {
        if ((event?.sequence_number ?? 0) < 20 || joined !== null) continue;
        joined = readEvents(resume(stack.url, id, 9));
      }
      const [first, second] = await Promise.all(early);
      assert.equal(textOf(first ?? []), saidTo('Together', 250));
      assert.deepEqual(second, first);
      assert.deepEqual(await joined, first?.slice(10));
    },
  );

  await t.test(
    'a stream whose node is killed goes on from another, and from the node that comes back',
    async () => {
      const doomed = await stack.addIngress('in-3');
      const id = await begin(stack, 'Node dies', 400);
      const seen: ResponseEvent[] = [];
      try {
        for await (const event of eventsOf(await resume(doomed.url, id))) {
          if (event !== null) seen.push(event);
          if (seen.length === 15) doomed.process.kill('SIGKILL');
        }
      } catch {
        // The connection broke.
      }
      assert.ok(!seen.some(event => event.type === 'response.incomplete'), 'killed in the middle');
      const after = seen.at(-1)?.sequence_number ?? 0;
      const rest = await readEvents(resume(other.url, id, after));
      assertGapless([...seen, ...rest]);
      assert.equal(textOf([...seen, ...rest]), saidTo('Node dies', 400));
      const back = await stack.addIngress('in-3', doomed.port);
      assert.deepEqual(await readEvents(resume(back.url, id, after)), rest);
    },
  );

  await t.test('a response whose worker is killed before the first token is run by another', async () => {
    for (const engine of stack.engines) await setHang(engine.url, true);
    const { id } = await bodyOf(ask(stack.url, '/v1/responses', { json: background('Early death', 40) }));
    let held = -1;
    await waitFor(() => {
      held = stack.engines.findIndex(engine => engine.stats().startedIds.at(-1)?.outcome === 'running');
      return held >= 0;
    });
    for (const engine of stack.engines) await setHang(engine.url, false);
    stack.workers[held]?.kill('SIGKILL');
    const events = await readEvents(resume(stack.url, id));
    assertGapless(events);
    assert.equal(textOf(events), saidTo('Early death', 40));
    stack.workers[held] = await stack.startWorker(held, `w-early-${held}`);
  });

  await t.test(
    'a response whose worker is killed after the first token goes on: nothing twice, nothing lost',
    async () => {
      const id = await begin(stack, 'Late death', 400);
      const worker = stack.engines.findIndex(engine => engine.stats().running > 0);
      const seen: ResponseEvent[] = [];
      for await (const event of eventsOf(await resume(other.url, id))) {
        if (event !== null) seen.push(event);
        if (seen.length === 12) stack.workers[worker]?.kill('SIGKILL');
      }
      assertGapless(seen);
      assert.equal(textOf(seen), saidTo('Late death', 400));
      assert.deepEqual(await readEvents(resume(stack.url, id)), seen);
      const done = await bodyOf(ask(stack.url, `/v1/responses/${id}`));
      assert.equal(done.usage?.output_tokens, 400);
      assert.ok(stack.engines.some((engine, i) => i !== worker && engine.stats().finished > 0));
      stack.workers[worker] = await stack.startWorker(worker, 'w-late');
    },
  );

  await t.test('Redis killed in the middle costs time, not a word', async () => {
    const id = await begin(stack, 'Redis dies', 300);
    const events: ResponseEvent[] = [];
    const reading = (async () => {
      for await (const event of eventsOf(await resume(stack.url, id))) if (event !== null) events.push(event);
    })();
    await waitFor(() => events.length > 8);
    await stack.redis.restart();
    await reading;
    assertGapless(events);
    assert.equal(textOf(events), saidTo('Redis dies', 300));
  });

  await t.test('a foreground response can be read again, event by event, as it was streamed', async () => {
    const json = { model: MODEL, input: 'Again', stream: true, max_output_tokens: 30 };
    const told = await readEvents(ask(stack.url, '/v1/responses', { json }));
    const id = told[0]?.response?.id ?? '';
    const again = await readEvents(resume(other.url, id));
    assert.deepEqual(again.slice(0, -1), told.slice(0, -1));
    assert.equal(again.at(-1)?.type, told.at(-1)?.type);
  });

  await t.test('a bad starting_after names the parameter', async () => {
    const id = await begin(stack, 'Bad', 16);
    for (const after of ['-1', 'x', '1.5']) {
      const answer = await ask(stack.url, `/v1/responses/${id}?stream=true&starting_after=${after}`);
      assert.equal(answer.status, 400);
      const { error } = (await answer.json()) as { error: { param: string } };
      assert.equal(error.param, 'starting_after');
    }
  });
});

test('events that are no longer kept are a 400 with stream_expired; the response itself stays', async () => {
  const env = { PENSTOCK_EVENTS_TTL_S: '1' };
  await using stack = await startStack({ engines: [{}], ingressEnv: env, workerEnv: env });
  const id = await (async () => {
    const { id } = await bodyOf(ask(stack.url, '/v1/responses', { json: background('Short-lived', 16) }));
    await waitFor(() => isFinished(stack, id));
    return id;
  })();
  await waitFor(async () => (await resume(stack.url, id)).status === 400);
  const answer = await resume(stack.url, id, 3);
  const { error } = (await answer.json()) as { error: { code: string; type: string } };
  assert.equal(error.code, 'stream_expired');
  assert.equal(error.type, 'invalid_request_error');
  const body = await bodyOf(ask(stack.url, `/v1/responses/${id}`));
  assert.equal(body.output[0]?.content?.[0]?.text, saidTo('Short-lived', 16));
});

test('a slow reader is bounded: the node holds little for it, and it gets everything', async () => {
  await using stack = await startStack({ engines: [{ profile: 'instant' }] });
  const readers = 20;
  const { id } = await bodyOf(ask(stack.url, '/v1/responses', { json: background('Slow reader', 8000) }));
  const answers = await Promise.all(Array.from({ length: readers }, () => resume(stack.url, id)));
  // Nobody reads yet: each connection fills, and then its reader waits on the log.
  await waitFor(() => isFinished(stack, id));
  const texts = await Promise.all(answers.map(answer => readEvents(answer)));
  for (const events of texts) {
    assertGapless(events);
    assert.equal(textOf(events), saidTo('Slow reader', 8000));
  }
});

async function setHang(url: string, hang: boolean): Promise<void> {
  await fetch(`${url}/sim/faults`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}` },
    body: JSON.stringify({ hang }),
  });
}
