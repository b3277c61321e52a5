import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALL_EVERY_MS } from '@penstock/policy';
import { type ControlAddress, encodeMessage, readRollCall } from '@penstock/protocol';
import { RollCall, type RunRequest } from './roll-call.ts';

type Kind = 'answer' | 'another answers' | 'nobody' | 'timeout';

/** One worker `w-1`, which was heard last at 0; this node has been connected for long. */
function startCalling(change: Partial<RunRequest> = {}) {
  const state = { now: 0, connected: true, silentSince: 0, says: 'nobody' as Kind };
  const asked: string[] = [];
  const ended: string[] = [];
  const rollCall = new RollCall(
    {
      control: {
        get connected() {
          return state.connected;
        },
        async ask(to: ControlAddress, payload: Uint8Array) {
          asked.push(`${'worker' in to ? to.worker : ''} ${readRollCall(payload)?.called} at ${state.now}`);
          if (state.says === 'answer') return { kind: 'answer', payload };
          if (state.says !== 'another answers') return { kind: state.says };
          return { kind: 'answer', payload: encodeMessage({ called: 'p1', here: 'p2' }) };
        },
      },
      fleet: { silentMs: worker => (worker === 'w-1' ? state.now - state.silentSince : null) },
      clock: { monotonic: () => state.now },
    },
    (worker, incarnation) => ended.push(`${worker} ${incarnation} at ${state.now}`),
  );
  const request: RunRequest = { shown: true, running: { worker: 'w-1', incarnation: 'p1' }, ...change };
  return {
    ...{ state, asked, ended },
    /** Looks as often as it is meant to. */
    async until(ms: number, requests: readonly RunRequest[] = [request]) {
      for (; state.now <= ms; state.now += CALL_EVERY_MS) {
        rollCall.look(requests);
        await new Promise(resolve => setImmediate(resolve));
      }
    },
    /** It has been heard all the time until now. */
    heardUntil(ms: number) {
      state.silentSince = ms;
    },
  };
}

for (const says of ['nobody', 'another answers'] as const)
  test(`a process is gone once ${says} twice where it is called`, async () => {
    const { state, asked, ended, until, heardUntil } = startCalling();
    state.says = says;
    heardUntil(4000);
    await until(6000);
    assert.deepEqual(asked.slice(0, 2), ['w-1 p1 at 4500', 'w-1 p1 at 4900']);
    assert.equal(ended[0], 'w-1 p1 at 4900');
  });

test('one that runs no stream is called once its heartbeat is late', async () => {
  const { asked, until, heardUntil } = startCalling({ shown: false });
  heardUntil(4000);
  await until(5200);
  assert.deepEqual(asked, []);
  await until(5300);
  assert.deepEqual(asked, ['w-1 p1 at 5300']);
});

test('one that answers, or may be busy or stopped, is called again later and is not gone', async () => {
  for (const says of ['answer', 'timeout'] as const) {
    const { state, asked, ended, until, heardUntil } = startCalling();
    heardUntil(4000);
    state.says = says;
    await until(6000);
    assert.deepEqual(
      [asked, ended],
      [['w-1 p1 at 4500', 'w-1 p1 at 5000', 'w-1 p1 at 5500', 'w-1 p1 at 6000'], []],
    );
  }
});

test('one that is back when it is called again is not gone; another process that does not answer for it is no proof', async () => {
  const { state, ended, until, heardUntil } = startCalling();
  heardUntil(4000);
  await until(4500);
  state.says = 'answer';
  await until(4900);
  assert.deepEqual(ended, []);
  heardUntil(5000);
  await until(5400);
  state.says = 'nobody';
  await until(5500);
  state.says = 'timeout';
  await until(6000);
  assert.deepEqual(ended, ['w-1 p1 at 5900']);
});

test('nobody is called while this node, or others, may have lost their connection a moment ago', async () => {
  const { state, asked, ended, until, heardUntil } = startCalling();
  await until(2900);
  assert.deepEqual(asked, [], 'it has just started');
  heardUntil(4000);
  await until(4500);
  state.connected = false;
  await until(4600);
  state.connected = true;
  await until(7500);
  assert.deepEqual([asked.length, ended], [1, []]);
  await until(8000);
  assert.deepEqual([asked.length, ended.length], [3, 1]);
});

test('who runs nothing here, is not known, or does not say which process it is, is not called', async () => {
  const { asked, until } = startCalling();
  const running = { worker: 'w-1', incarnation: 'p1' };
  await until(10_000, [
    { shown: true, running: null },
    { shown: true, running: { ...running, incarnation: '' } },
    { shown: true, running: { ...running, worker: 'w-2' } },
  ]);
  assert.deepEqual(asked, []);
});
