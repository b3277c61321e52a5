/**
 * `npm run chaos -- --requests N --faults N`: real servers and processes under a mixed load, to which things are done one after the other.
 * What is asked, and what is done, follows from the seed; when exactly it happens does not. Judged by the same rules as the simulation.
 */
import type OpenAI from 'openai';
import { seeded } from '../../../libs/protocol/random.fixture.ts';
import { startReceiver } from '../../../testkit/receiver.ts';
import { waitFor } from '../../../testkit/stack.ts';
import type { ChaosCommand } from '../arguments.ts';
import { judge, type Violation } from '../invariants.ts';
import { beginBatch, checkBatch } from '../work.ts';
import { faultKinds } from './faults.ts';
import { leftOf } from './left-over.ts';
import { MemoryWatch } from './memory.ts';
import { type FaultKind, startRegion, type Victims } from './region.ts';
import { type ChaosReport, type Done, firstTokens, goesOn, writeReport } from './report.ts';
import { ChaosClient, GIVEN_UP, type Request, type RequestKind, type Seen } from './requests.ts';
import type { Election } from './server-faults.ts';

const CLIENTS = 24;
/** Where it goes on for a time: it is about memory, not about load. */
const SOAK_CLIENTS = 8;
const MEMORY_POINTS = 60;
const LEAST_MEMORY_MS = 5000;
const KINDS: readonly RequestKind[] = [
  ...([
    'stream',
    'stream',
    'stream',
    'stream',
    'stream',
    'plain',
    'plain',
    'background',
    'followed',
    'job',
  ] as const),
];
/** Lines of the batch, as a share of all requests. */
const LINES = 0.15;
const TOLD_WITHIN_MS = 60_000;
const BATCH_WITHIN_MS = 120_000;

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));
const say = (line: string) => void process.stdout.write(`${line}\n`);

/** @returns whether everything held. Says what did not. */
export async function runHarness(command: Extract<ChaosCommand, { kind: 'run' }>): Promise<boolean> {
  const { seed, requests, faults, minutes } = command;
  say(`seed ${seed}: ${minutes === null ? `${requests} requests` : `${minutes} minutes`}, ${faults} faults`);
  const { report, told } = await runChaos(command, say);
  for (const line of told) say(line);
  if (command.report !== null)
    writeReport(command.report, `npm run chaos -- ${process.argv.slice(2).join(' ')}`, report);
  say(JSON.stringify(report, null, 2));
  return report.violations.length === 0;
}

/** So many, or as many as are asked within some minutes. */
function* requestsOf(count: number, until: number, longest: number, rand: () => number): Generator<Request> {
  for (let i = 0; i < count || performance.now() < until; i++)
    yield {
      kind: KINDS[Math.floor(rand() * KINDS.length)] as RequestKind,
      name: `chaos ${i}`,
      words: 5 + Math.floor(rand() * (longest - 5)),
      leavesAfterMs: rand() < 0.08 ? 20 + Math.floor(rand() * 1500) : null,
    };
}

type Run = Omit<Extract<ChaosCommand, { kind: 'run' }>, 'kind' | 'report'>;

export async function runChaos(
  { requests: count, faults, seed, minutes, only, longest, servers }: Run,
  tell: (line: string) => void,
): Promise<{ report: ChaosReport; told: string[] }> {
  const rand = seeded(seed);
  await using parts = new AsyncDisposableStack();
  const receiver = parts.use(await startReceiver());
  const { stack, victims, urls, client } = await startRegion(parts, servers, receiver.url);
  const lasts = (minutes ?? 0) * 60_000;
  const memory = parts.use(
    new MemoryWatch(() => pidsOf(victims), Math.max(LEAST_MEMORY_MS, lasts / MEMORY_POINTS)),
  );
  const startedAt = performance.now();
  const lines = minutes === null ? Math.round(count * LINES) : 0;
  const requests = requestsOf(minutes === null ? count - lines : 0, startedAt + lasts, longest, rand);
  const batch = lines === 0 ? null : await beginBatch(client, lines);
  let next = 0;
  const chaos = new ChaosClient(() => urls[next++ % urls.length] ?? '');
  const seen: Seen[] = [];
  const share = () =>
    minutes === null ? seen.length / (count - lines) : (performance.now() - startedAt) / lasts;
  const elections: Election[] = [];
  const doing = doFaults(faultKinds(victims, only, elections), faults, seeded(seed + 1), share, tell);
  await Promise.all(
    Array.from({ length: minutes === null ? CLIENTS : SOAK_CLIENTS }, async () => {
      for (const request of requests) seen.push(await chaos.run(request));
    }),
  );
  const done = await doing;
  const violations: Violation[] = [...seen.flatMap(judge), ...seen.flatMap(stuck)];
  if (batch !== null)
    await checkedBatch(client, batch.id, lines).catch((err: Error) => violations.push(batchFault(err)));
  for (const each of seen) {
    const changed = await chaos.lookAgain(each).catch((err: Error) => err.message);
    if (changed !== null) violations.push({ rule: 'final stays final', about: each.name, what: changed });
  }
  const left = await leftOf(stack, urls);
  if (left !== '') violations.push({ rule: 'back to zero', about: '', what: left });
  violations.push(...(await webhookFaults(seen, () => receiver.to('/events').map(({ event }) => event))));
  killAll(victims);
  const report: ChaosReport = {
    ...{ seed, seconds: Math.round((performance.now() - startedAt) / 100) / 10 },
    asked: tally([...seen.map(({ kind }) => kind), ...Array.from({ length: lines }, () => 'line')]),
    ended: tally(
      seen.flatMap(({ ends }) => ends.map(end => ('code' in end ? `${end.kind} ${end.code}` : end.kind))),
    ),
    faults: tally(done.map(({ name }) => name)),
    webhooks: receiver.to('/events').length,
    goesOnMs: goesOn(seen, done, stack.workers.length),
    elections: firstTokens(seen, elections),
    memory: { everyMs: memory.everyMs, mb: memory.series },
    violations,
  };
  return { report, told: violations.flatMap(each => historyOf(each, seen, done)) };
}

/** Nothing is left to be drained, and processes that end in good order take a while. */
function killAll({ stack, ingresses }: Victims): void {
  const services = [...stack.workers, ...stack.tasks, ...ingresses.map(({ process: each }) => each)];
  for (const service of services) service.kill('SIGKILL');
}

function pidsOf({ stack, ingresses, smallDisk }: Victims): Record<string, number> {
  return {
    ...Object.fromEntries(ingresses.map(({ name, process: { pid } }) => [name, pid])),
    ...Object.fromEntries(stack.workers.map(({ pid }, i) => [`w-${i + 1}`, pid])),
    ...{ tasks: stack.tasks[0]?.pid ?? 0, nats: (smallDisk ?? stack.nats).pid, redis: stack.redis.pid },
  };
}

function stuck({ ends, name: about }: Seen): Violation[] {
  const [end] = ends;
  if (end?.kind !== 'failed' || end.code !== GIVEN_UP) return [];
  return [{ rule: 'goes on', about, what: 'its client waited until it had no patience left' }];
}

/** One after the other, spread over the requests; each kind comes before one comes again. */
async function doFaults(
  kinds: readonly FaultKind[],
  count: number,
  rand: () => number,
  share: () => number,
  tell: (line: string) => void,
): Promise<Done[]> {
  const done: Done[] = [];
  let bag: FaultKind[] = [];
  for (let i = 0; i < count; i++) {
    if (bag.length === 0) bag = [...kinds];
    const [kind] = bag.splice(Math.floor(rand() * bag.length), 1);
    const index = Math.floor(rand() * 60);
    if (kind === undefined) continue;
    const ms = 50 + Math.floor(rand() * kind.mostMs);
    await waitFor(() => share() >= (0.9 * i) / count, 600_000).catch(() => {});
    const from = Date.now();
    tell(`fault ${i + 1}: ${kind.name} (${index}) for ${ms} ms`);
    try {
      await kind.begin(index, ms);
      await sleep(ms);
    } finally {
      await kind.end(index);
    }
    done.push({ name: kind.name, index, from, to: Date.now() });
  }
  return done;
}

async function checkedBatch(client: OpenAI, id: string, lines: number): Promise<void> {
  const isCompleted = async () => (await client.batches.retrieve(id)).status === 'completed';
  await waitFor(isCompleted, BATCH_WITHIN_MS).catch(async () => {
    const { status, request_counts: counts } = await client.batches.retrieve(id);
    throw new Error(
      `it is ${status} ${BATCH_WITHIN_MS} ms after the last request: ${JSON.stringify(counts)}`,
    );
  });
  await checkBatch(client, id, lines);
}

const batchFault = (err: Error): Violation => ({ rule: 'one end', about: 'batch', what: err.message });

/** Each response that ended has its event at least once, always under one id. */
async function webhookFaults(
  seen: readonly Seen[],
  events: () => { readonly id: string; readonly type: string; readonly data: { readonly id: string } }[],
): Promise<Violation[]> {
  const wanted = seen.filter(({ path, status }) => status !== null && path?.startsWith('/v1/responses/'));
  const idOf = ({ path }: Seen) => path?.split('/').at(-1) ?? '';
  const areTold = () => {
    const told = new Set(events().map(({ data }) => data.id));
    return wanted.every(each => told.has(idOf(each)));
  };
  await waitFor(areTold, TOLD_WITHIN_MS).catch(() => {});
  const ids = new Map<string, Set<string>>();
  for (const { id, data } of events()) ids.set(data.id, (ids.get(data.id) ?? new Set()).add(id));
  return wanted.flatMap((each): Violation[] => {
    const count = ids.get(idOf(each))?.size ?? 0;
    return count === 1 ? [] : [{ rule: 'one end', about: each.name, what: `its webhook has ${count} ids` }];
  });
}

/** What happened to a request, and what was done while it ran. */
function historyOf({ rule, about, what }: Violation, seen: readonly Seen[], done: readonly Done[]): string[] {
  const each = seen.find(({ name }) => name === about);
  const lines = [
    `\n${rule}${about === '' ? '' : ` (${about}${each === undefined ? '' : `, ${each.kind}`})`}: ${what}`,
  ];
  if (each === undefined) return lines;
  const meanwhile = done
    .filter(({ from, to }) => from <= each.to && to >= each.from)
    .map(({ name, from, to }) => `${new Date(from).toISOString().slice(11, 23)} ${name} for ${to - from} ms`);
  return [...lines, ...[...each.history, ...meanwhile].sort()];
}

function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
