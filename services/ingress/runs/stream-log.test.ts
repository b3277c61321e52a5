import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunLog, RunStore } from '@penstock/transport';
import type { EventStream } from '../sending/event-stream.ts';
import { streamLog } from './stream-log.ts';

function reader() {
  const heard: string[] = [];
  const stream = {
    isGone: false,
    write: async (text: string | Buffer) => void heard.push(`${text}`),
    end: () => heard.push('end'),
    cut: () => heard.push('cut'),
  } as unknown as EventStream;
  return { heard, stream };
}
const runs = { read: async () => null } as unknown as RunStore;
const render = () => 'news';
const onSilence = async () => {};

function logOf(slice: () => Promise<unknown>): RunLog {
  return { watch: async () => () => {}, slice } as unknown as RunLog;
}

test('a log that is read to its end ends the stream', async () => {
  const { heard, stream } = reader();
  const runLog = logOf(async () => ({
    status: 'completed',
    attempt: 1,
    entries: [Buffer.from('x')],
    isAll: true,
  }));
  await streamLog({ runs, runLog }, 'r1', stream, { render, onSilence });
  assert.deepEqual(heard, ['news', 'news', 'news', 'end']);
});

test('a log that can no longer be read or rendered breaks the connection off', async () => {
  const broken = logOf(() => Promise.reject(new Error('READONLY')));
  const whole = logOf(async () => ({ status: 'completed', attempt: 0, entries: [], isAll: true }));
  const unreadable = () => {
    throw new SyntaxError('no JSON');
  };
  for (const [runLog, render] of [
    [broken, () => 'news'],
    [whole, unreadable],
    [whole, () => null],
  ] as const) {
    const { heard, stream } = reader();
    await streamLog({ runs, runLog }, 'r1', stream, { render, onSilence });
    assert.deepEqual(heard, ['cut']);
  }
});
