/**
 * `npm run chaos -- --requests N --faults N`: real servers and processes under a mixed load, to which things are done one after the other.
 * What is asked, and what is done, follows from the seed; when exactly it happens does not. Judged by the same rules as the simulation.
 */
import OpenAI from 'openai';
import { seeded } from '../../../libs/protocol/random.fixture.ts';
import { type FaultyProxy, startFaultyProxy } from '../../../testkit/network/faulty-proxy.ts';
import { startReceiver } from '../../../testkit/receiver.ts';
import { API_KEY, startStack, waitFor } from '../../../testkit/stack.ts';
import type { ChaosCommand } from '../arguments.ts';
import { judge, type Violation } from '../invariants.ts';
import { beginBatch, checkBatch } from '../work.ts';
import { faultKinds, type Victims } from './faults.ts';
import { leftOf } from './left-over.ts';
import { ChaosClient, GIVEN_UP, type Request, type RequestKind, type Seen } from './requests.ts';

export interface ChaosReport {
  readonly seed: number;
  readonly seconds: number;
  /** Requests by kind, and how they ended. */
  readonly asked: Readonly<Record<string, number>>;
  readonly ended: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly webhooks: number;
  readonly violations: readonly Violation[];
}

const CLIENTS = 24;
const INGRESSES = ['in-1', 'in-2'];
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
const FINAL_EVENTS = [
  'response.completed',
  'response.failed',
  'response.incomplete',
  'response.cancelled',
] as const;
const TOLD_WITHIN_MS = 60_000;
const LEASE = { PENSTOCK_ACK_WAIT_MS: '3000' };

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));
const say = (line: string) => void process.stdout.write(`${line}\n`);

/** @returns whether everything held. Says what did not. */
export async function runHarness(command: Extract<ChaosCommand, { kind: 'run' }>): Promise<boolean> {
  say(`seed ${command.seed}: ${command.requests} requests, ${command.faults} faults`);
  const { report, told } = await runChaos(command, say);
  for (const line of told) say(line);
  say(JSON.stringify(report, null, 2));
  return report.violations.length === 0;
}

function requestsOf(count: number, rand: () => number): Request[] {
  return Array.from({ length: count }, (_, i) => ({
    kind: KINDS[Math.floor(rand() * KINDS.length)] as RequestKind,
    name: `chaos ${i}`,
    words: 5 + Math.floor(rand() * 120),
    leavesAfterMs: rand() < 0.08 ? 20 + Math.floor(rand() * 1500) : null,
  }));
}

/** A stack in which each process has its own way to each server. */
async function startFaultyStack(parts: AsyncDisposableStack, receiverUrl: string) {
  const proxies = new Map<string, { nats: FaultyProxy; redis: FaultyProxy }>();
  const wiresOf = async (name: string, servers: { nats: string; redis: string }) => {
    const known = proxies.get(name);
    const own = known ?? {
      nats: parts.use(await startFaultyProxy(servers.nats)),
      redis: parts.use(await startFaultyProxy(servers.redis)),
    };
    proxies.set(name, own);
    return { nats: own.nats.url, redis: own.redis.url };
  };
  const allow = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };
  const engine = { profile: 'dense-8b-h100' };
  const stack = parts.use(
    await startStack({
      engines: [engine, engine, engine],
      wiresOf,
      ingressEnv: { ...allow, ...LEASE },
      workerEnv: { ...LEASE, PENSTOCK_SLOTS: '16' },
      tasksEnv: { ...allow, PENSTOCK_WEBHOOK_SCHEDULE_SCALE: '0.1' },
    }),
  );
  const [first = '', second = ''] = INGRESSES;
  const other = await stack.addIngress(second);
  const victims: Victims = {
    ...{ stack, proxies },
    ingresses: [
      { name: first, port: Number(new URL(stack.url).port), process: stack.ingress },
      { name: second, port: other.port, process: other.process },
    ],
  };
  const urls = [stack.url, other.url];
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 10 });
  const events = [...FINAL_EVENTS, 'batch.completed'];
  await client.webhooks.create({ url: `${receiverUrl}/events`, name: 'chaos', event_types: events } as never);
  return { stack, victims, urls, client };
}

export async function runChaos(
  { requests: count, faults, seed }: { requests: number; faults: number; seed: number },
  tell: (line: string) => void,
): Promise<{ report: ChaosReport; told: string[] }> {
  const rand = seeded(seed);
  await using parts = new AsyncDisposableStack();
  const receiver = parts.use(await startReceiver());
  const { stack, victims, urls, client } = await startFaultyStack(parts, receiver.url);
  const lines = Math.round(count * LINES);
  const requests = requestsOf(count - lines, rand);
  const startedAt = performance.now();
  const batch = lines === 0 ? null : await beginBatch(client, lines);
  let next = 0;
  const chaos = new ChaosClient(() => urls[next++ % urls.length] ?? '');
  const seen: Seen[] = [];
  const doing = doFaults(victims, faults, rand, () => seen.length / requests.length, tell);
  const queue = requests.values();
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (const request of queue) seen.push(await chaos.run(request));
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
  const report: ChaosReport = {
    ...{ seed, seconds: Math.round((performance.now() - startedAt) / 100) / 10, violations },
    asked: tally([...seen.map(({ kind }) => kind), ...Array.from({ length: lines }, () => 'line')]),
    ended: tally(
      seen.flatMap(({ ends }) => ends.map(end => ('code' in end ? `${end.kind} ${end.code}` : end.kind))),
    ),
    faults: tally(done.map(({ name }) => name)),
    webhooks: receiver.to('/events').length,
  };
  return { report, told: violations.flatMap(each => historyOf(each, seen, done)) };
}

function stuck({ ends, name: about }: Seen): Violation[] {
  const [end] = ends;
  if (end?.kind !== 'failed' || end.code !== GIVEN_UP) return [];
  return [{ rule: 'goes on', about, what: 'its client waited until it had no patience left' }];
}

interface Done {
  readonly name: string;
  /** Unix ms. */
  readonly from: number;
  readonly to: number;
}

/** One after the other, spread over the requests; each kind comes before one comes again. */
async function doFaults(
  victims: Victims,
  count: number,
  rand: () => number,
  share: () => number,
  tell: (line: string) => void,
): Promise<Done[]> {
  const done: Done[] = [];
  let bag: ReturnType<typeof faultKinds> = [];
  for (let i = 0; i < count; i++) {
    if (bag.length === 0) bag = faultKinds(victims);
    const [kind] = bag.splice(Math.floor(rand() * bag.length), 1);
    const index = Math.floor(rand() * 60);
    if (kind === undefined) continue;
    const ms = 50 + Math.floor(rand() * kind.mostMs);
    await waitFor(() => share() >= (0.9 * i) / count, 120_000).catch(() => {});
    const from = Date.now();
    tell(`fault ${i + 1}: ${kind.name} (${index}) for ${ms} ms`);
    try {
      await kind.begin(index, ms);
      await sleep(ms);
    } finally {
      await kind.end(index);
    }
    done.push({ name: kind.name, from, to: Date.now() });
  }
  return done;
}

async function checkedBatch(client: OpenAI, id: string, lines: number): Promise<void> {
  await waitFor(async () => (await client.batches.retrieve(id)).status === 'completed', 120_000);
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
  const has = () => new Set(events().map(({ data }) => data.id));
  await waitFor(() => wanted.every(each => has().has(idOf(each))), TOLD_WITHIN_MS).catch(() => {});
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
