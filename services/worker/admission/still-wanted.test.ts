import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { controlSubject, encodeMessage, readWantedQuestion } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { Answer } from '@penstock/transport';
import type { Attempt } from '../attempts/attempt.ts';
import { StillWanted } from './still-wanted.ts';

/** Attempts `id` of ingress nodes; those of stored runs have none. Times are those of the questions: one each 1.5 s. */
function start(t: TestContext, ran: Record<string, string | null>) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  const said: string[] = [];
  const state = {
    connected: true,
    answer: (_ingress: string): Answer => ({ kind: 'timeout' }),
    ended: async (): Promise<string[]> => [],
  };
  const attempts = new Map<string, Attempt>();
  for (const [id, ingressId] of Object.entries(ran))
    attempts.set(id, {
      ...{ id, number: 1, nonce: 7, ingressId, work: { meta: { stored: ingressId === null } } },
      handBack: () => {
        said.push(`${id} handed back`);
        attempts.delete(id);
      },
    } as unknown as Attempt);
  const wanted = new StillWanted({
    ...{ worker: 'w-1', incarnation: 'p1', clock: { monotonic: () => now } },
    running: {
      all: () => [...attempts.values()],
      cancel: (id, { number, nonce }) => {
        said.push(`${id} stopped ${number} ${nonce}`);
        attempts.delete(id);
      },
    },
    stored: { ended: () => state.ended() },
    control: {
      get connected() {
        return state.connected;
      },
      ask: async (to, payload) => {
        const ids = readWantedQuestion(payload)?.running.map(({ id }) => id);
        said.push(`${controlSubject(to).split('.').at(-1)}: ${ids}`);
        return state.answer(controlSubject(to));
      },
    },
    log: { info() {}, warn() {} } as unknown as Logger,
  });
  wanted.start();
  t.after(() => wanted.stop());
  const ask = async () => {
    now += 1500;
    t.mock.timers.tick(1500);
    await new Promise(resolve => setImmediate(resolve));
    return said.splice(0);
  };
  return { ask, state, attempts };
}

test('each ingress is asked about the attempts of its clients, and what it does not want is stopped', async t => {
  const { ask, state } = start(t, { a: 'in-1', b: 'in-1', c: 'in-2' });
  assert.deepEqual(await ask(), ['in-1: a,b', 'in-2: c']);
  state.answer = subject => ({
    kind: 'answer',
    payload: subject.endsWith('in-1') ? encodeMessage({ unwanted: ['b', 'c', 'x'] }) : Buffer.from('{}'),
  });
  assert.deepEqual(await ask(), ['in-1: a,b', 'in-2: c', 'b stopped 1 7']);
  assert.deepEqual(await ask(), ['in-1: a', 'in-2: c']);
});

test('what runs for an ingress at which nobody listens is handed back after the third question', async t => {
  const { ask, state } = start(t, { a: 'in-1', b: 'in-2' });
  state.answer = subject => ({ kind: subject.endsWith('in-1') ? 'nobody' : 'timeout' });
  await ask();
  await ask();
  assert.deepEqual(await ask(), ['in-1: a', 'in-2: b', 'a handed back']);
  assert.deepEqual(await ask(), ['in-2: b']);
});

test('one that is back in time keeps its attempts, and one that is paused too', async t => {
  const { ask, state } = start(t, { a: 'in-1' });
  for (const kind of ['nobody', 'nobody', 'timeout', 'nobody', 'nobody'] as const) {
    state.answer = () => ({ kind });
    assert.deepEqual(await ask(), ['in-1: a']);
  }
});

test('a worker that is cut off itself concludes nothing from silence', async t => {
  const { ask, state } = start(t, { a: 'in-1' });
  state.answer = () => ({ kind: 'nobody' });
  await ask();
  await ask();
  state.connected = false;
  assert.deepEqual(await ask(), []);
  state.connected = true;
  assert.deepEqual(await ask(), ['in-1: a']);
});

test('an ingress is told for half a minute that nothing runs for it any more', async t => {
  const { ask, attempts } = start(t, { a: 'in-1' });
  await ask();
  attempts.clear();
  for (let n = 0; n < 19; n++) assert.deepEqual(await ask(), ['in-1: ']);
  assert.deepEqual(await ask(), []);
});

test('a stored run that is final is stopped; a store that is away is asked again', async t => {
  const { ask, state } = start(t, { a: null, b: null });
  state.ended = () => Promise.reject(new Error('no Redis'));
  assert.deepEqual(await ask(), []);
  state.ended = async () => ['b'];
  assert.deepEqual(await ask(), ['b stopped 1 7']);
});
