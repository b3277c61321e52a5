/** How soon Penstock reacts: to an engine that fails, a worker that is killed, a client that leaves, and Ctrl-C. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../testkit/ports.ts';
import { startProcess } from '../../testkit/process.ts';
import { API_KEY, chat, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';
import { quantile } from './measure/load.ts';

export interface Reaction {
  readonly name: string;
  readonly tries: number;
  readonly medianMs: number;
  readonly maxMs: number;
}

const PROFILE = { profile: 'dense-8b-h100' };
const CANCELS = 20;
const FAILURES = 3;
const KILLS = 3;
const STREAMS_A_KILL = 8;
const STOPS = 3;
const START = resolve(import.meta.dirname, '../../deploy/local/start.ts');

export async function measureReactions(): Promise<Reaction[]> {
  return [
    ...(await measureCancels()),
    await measureFailingEngine(),
    await measureKills(),
    await measureStops(),
  ];
}

function reaction(name: string, ms: readonly number[]): Reaction {
  const sorted = ms.toSorted((a, b) => a - b);
  return { name, tries: ms.length, medianMs: quantile(sorted, 0.5), maxMs: sorted.at(-1) ?? 0 };
}

async function measureCancels(): Promise<Reaction[]> {
  await using stack = await startStack({ engines: [PROFILE] });
  const long = chat('A long answer', { max_tokens: 5000 });
  const left: number[] = [];
  const deleted: number[] = [];
  for (let i = 0; i < CANCELS; i++) {
    const client = new AbortController();
    const { signal } = client;
    const answer = await post(stack, '/v1/chat/completions', { ...long, stream: true }, { signal });
    await answer.body?.getReader().read();
    left.push(await untilStopped(stack, () => client.abort()));
    const job = await post(stack, '/v1/chat/completions', long, { headers: { prefer: 'respond-async' } });
    const { id } = (await job.json()) as { id: string };
    await waitFor(() => stack.engines[0]?.stats().running === 1);
    const headers = { authorization: `Bearer ${API_KEY}` };
    deleted.push(
      await untilStopped(stack, () => fetch(`${stack.url}/v1/jobs/${id}`, { method: 'DELETE', headers })),
    );
  }
  return [
    reaction('a client leaves its stream → its engine has stopped', left),
    reaction('`DELETE` of a running job → its engine has stopped', deleted),
  ];
}

/** Looks every millisecond: the engine runs in this process. */
async function untilStopped({ engines }: Stack, cancel: () => unknown): Promise<number> {
  const stopped = () => engines[0]?.stats().aborted ?? 0;
  const [before, from] = [stopped(), performance.now()];
  const cancelled = cancel();
  while (stopped() === before) await sleep(1);
  const ms = performance.now() - from;
  await cancelled;
  return ms;
}

/** One of three engines begins to fail a third of its requests, under a steady load that the other two can serve. */
async function measureFailingEngine(): Promise<Reaction> {
  await using stack = await startStack({ engines: [PROFILE, PROFILE, PROFILE] });
  const setErrors = (errorShare: number) =>
    fetch(`${stack.engines[0]?.url}/sim/faults`, { method: 'POST', body: JSON.stringify({ errorShare }) });
  const load = new AbortController();
  const loaded = steadyLoad(stack, load.signal);
  const ms: number[] = [];
  for (let i = 0; i < FAILURES; i++) {
    await untilShare(stack, share => share > 0.2);
    await setErrors(0.34);
    ms.push(await untilShare(stack, share => share < 0.1));
    await setErrors(0);
  }
  load.abort();
  await loaded;
  return reaction(
    'one of three engines fails a third of its requests → it gets less than a tenth of them',
    ms,
  );
}

async function steadyLoad(stack: Stack, signal: AbortSignal): Promise<void> {
  const answers: Promise<unknown>[] = [];
  for (let i = 0; !signal.aborted; i++) {
    const body = chat(`question ${i} ${'word '.repeat(400)}`, { max_tokens: 4, stream: true });
    answers.push(post(stack, '/v1/chat/completions', body).then(answer => answer.text()));
    await sleep(15);
  }
  await Promise.all(answers);
}

/** Time until the beginning of the first second in which the first engine's share of all requests is as wanted. */
async function untilShare({ engines }: Stack, isWanted: (share: number) => boolean): Promise<number> {
  const WINDOW_MS = 1000;
  const from = performance.now();
  const counts = () => engines.map(engine => engine.stats().started);
  const seen = [{ at: from, counts: counts() }];
  for (;;) {
    await sleep(20);
    const now = { at: performance.now(), counts: counts() };
    seen.push(now);
    while ((seen[1]?.at ?? now.at) <= now.at - WINDOW_MS) seen.shift();
    const [first] = seen;
    if (first === undefined || now.at - first.at < WINDOW_MS) continue;
    const grown = now.counts.map((count, i) => count - (first.counts[i] ?? 0));
    if (
      isWanted(
        (grown[0] ?? 0) /
          Math.max(
            1,
            grown.reduce((sum, count) => sum + count, 0),
          ),
      )
    )
      return first.at - from;
  }
}

/** One of two workers is killed while it streams; its streams go on at the other. */
async function measureKills(): Promise<Reaction> {
  await using stack = await startStack({ engines: [PROFILE, PROFILE] });
  const ms: number[] = [];
  for (let i = 0; i < KILLS; i++) {
    const streams = await Promise.all(
      Array.from({ length: STREAMS_A_KILL }, (_, n) => openStream(stack, `question ${i}, ${n}`)),
    );
    const [victim] = stack.workers;
    const killedAt = performance.now();
    victim?.kill('SIGKILL');
    await victim?.exited;
    const waits = streams
      .filter(({ worker }) => worker === 'w-1')
      .map(stream => stream.goesOnAfter(killedAt));
    ms.push(...(await Promise.all(waits)));
    for (const stream of streams) stream.close();
    stack.workers[0] = await stack.startWorker(0);
    await waitFor(() => stack.engines.every(engine => engine.stats().running === 0));
  }
  return reaction('a worker is killed (`kill -9`) → its streams go on at another', ms);
}

/** A stream that is read all the time, for longer than a worker's death is noticed. */
async function openStream(stack: Stack, prompt: string) {
  const client = new AbortController();
  const body = chat(prompt, { max_tokens: 5000, stream: true });
  const answer = await post(stack, '/v1/chat/completions', body, { signal: client.signal });
  let heardAt = 0;
  const read = async () => {
    for await (const _ of answer.body ?? []) heardAt = performance.now();
  };
  read().catch(() => {});
  return {
    worker: answer.headers.get('x-penstock-worker'),
    close: () => client.abort(),
    /** Time until it is heard again. What was on its way when the worker was killed comes within a few ms. */
    goesOnAfter: async (killedAt: number) => {
      await waitFor(() => heardAt > killedAt + 500);
      return heardAt - killedAt;
    },
  };
}

/** `npm start`, ready, is ended as by Ctrl-C. */
async function measureStops(): Promise<Reaction> {
  const servers = [process.env['PENSTOCK_TEST_NATS_SERVER'], process.env['PENSTOCK_TEST_REDIS_SERVER']];
  const paths = servers.flatMap(path => (path ? [dirname(path)] : []));
  const PATH = [...paths, process.env['PATH']].join(delimiter);
  const dir = mkdtempSync(join(tmpdir(), 'penstock-bench-'));
  const ms: number[] = [];
  for (let i = 0; i < STOPS; i++) {
    const ports = {
      PENSTOCK_PORT: String(await freePort()),
      PENSTOCK_CONSOLE_PORT: String(await freePort()),
    };
    const env = { PATH, PENSTOCK_DATA_DIR: dir, ...ports };
    const readyWhen = (line: string) => line.includes('Ctrl-C stops it');
    const start = await startProcess(process.execPath, [START], { readyWhen }, env);
    const run = join(dir, 'run');
    const pids = readdirSync(run).map(file => Number(readFileSync(join(run, file), 'utf8')));
    const from = performance.now();
    start.kill('SIGINT');
    await start.exited;
    while (pids.some(isAlive)) await sleep(1);
    ms.push(performance.now() - from);
  }
  rmSync(dir, { recursive: true, force: true });
  return reaction('Ctrl-C at `npm start` → all its processes are gone', ms);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
