/** The largest batch there may be: 50,000 lines of together 200 MB, through engines that answer at once. */
import { createWriteStream, openAsBlob } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { lineOf } from '../../testkit/batches.ts';
import { API_KEY, chat, type Stack, startStack } from '../../testkit/stack.ts';
import { cpuSeconds, peakResidentMb } from './measure/cpu.ts';

export interface BigBatchFigures {
  readonly lines: number;
  readonly inputMb: number;
  /** From the order to the output file, and the upload before it. */
  readonly seconds: number;
  readonly uploadSeconds: number;
  readonly failed: number;
  /** The most resident memory that each ever had, MB. */
  readonly tasksPeakMb: number;
  readonly ingressPeakMb: number;
  readonly redisPeakMb: number;
  /** CPU of the tasks process for each line, µs. */
  readonly tasksCpuUs: number;
}

/** Makes lines of about 4,000 bytes: together the most that a file may have. */
const PADDING = 'Penstock '.repeat(432);
const FINAL = ['completed', 'failed', 'expired', 'cancelled'];

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly request_counts: { readonly completed: number; readonly failed: number };
}

export async function measureBigBatch(lines: number): Promise<BigBatchFigures> {
  await using stack = await startStack({
    engines: [{ profile: 'instant' }, { profile: 'instant' }],
    tasksEnv: {},
  });
  const directory = await mkdtemp(join(tmpdir(), 'penstock-bench-'));
  try {
    const path = join(directory, 'in.jsonl');
    await pipeline(Readable.from(makeLines(lines)), createWriteStream(path));
    return await run(stack, lines, await openAsBlob(path));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function* makeLines(lines: number): Generator<string> {
  for (let i = 0; i < lines; i++)
    yield `${lineOf(`line-${i}`, chat(`${i} ${PADDING}`, { max_tokens: 8 }))}\n`;
}

async function run(stack: Stack, lines: number, content: Blob): Promise<BigBatchFigures> {
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', content, 'in.jsonl');
  const uploadStartedAt = performance.now();
  const file = await call<{ id: string }>(stack, '/v1/files', { method: 'POST', body: form });
  const startedAt = performance.now();
  const order = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' };
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify(order) };
  let batch = await call<Shown>(stack, '/v1/batches', init);
  while (!FINAL.includes(batch.status)) {
    await sleep(200);
    batch = await call<Shown>(stack, `/v1/batches/${batch.id}`, {});
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const tasks = stack.tasks[0]?.pid ?? 0;
  return {
    lines,
    inputMb: content.size / 1024 / 1024,
    seconds,
    uploadSeconds: (startedAt - uploadStartedAt) / 1000,
    failed: lines - batch.request_counts.completed,
    tasksPeakMb: peakResidentMb(tasks),
    ingressPeakMb: peakResidentMb(stack.ingress.pid),
    redisPeakMb: peakResidentMb(stack.redis.pid),
    tasksCpuUs: (cpuSeconds(tasks) * 1e6) / lines,
  };
}

async function call<T>(stack: Stack, path: string, init: RequestInit): Promise<T> {
  const headers = { authorization: `Bearer ${API_KEY}`, ...init.headers };
  const answer = await fetch(stack.url + path, { ...init, headers });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}
