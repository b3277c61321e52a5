/** Projects in shares on real servers: two ingress nodes, two small engines, and far more to do than they can (decision 0012). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { quantile } from '../../loadtest/workloads/summary.ts';
import { slowDown } from '../../testkit/engines/slow-down.ts';
import { chat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ADMIN = 'an-admin-key-of-tests';
const ENGINES = 2;
const SLOTS = 4;

let stack: Stack;
let urls: readonly string[];
before(async () => {
  stack = await startStack({
    engines: Array.from({ length: ENGINES }, () => ({ profile: 'dense-8b-h100', maxNumSeqs: SLOTS })),
    ingressEnv: {
      PENSTOCK_ADMIN_KEYS: ADMIN,
      PENSTOCK_KEY_PEPPER: 'pepper-of-the-tests-pepper-of-the-tests',
      PENSTOCK_TRAIL_SAMPLE: '1',
    },
    workerEnv: { PENSTOCK_SLOTS: `${SLOTS}` },
  });
  urls = [stack.url, (await stack.addIngress('in-2')).url];
});
after(() => stack?.[Symbol.asyncDispose]());

/** @returns the key of a new project. */
async function projectOf(weight: number): Promise<string> {
  const { projects } = new OpenAI({ baseURL: `${stack.url}/v1`, adminAPIKey: ADMIN, apiKey: '-' }).admin
    .organization;
  const asked = { name: `weight ${weight}`, weight };
  const project = await projects.create(asked);
  assert.equal((project as { weight?: number }).weight, weight);
  const account = await projects.serviceAccounts.create(project.id, { name: 'tests' });
  return account.api_key?.value ?? assert.fail();
}

interface Answered {
  readonly id: string;
  readonly waitMs: number;
  /** On the test's own clock, ms. */
  readonly at: number;
}

let asked = 0;
/** One request, at one node after the other. */
async function ask(key: string, stream: boolean): Promise<Answered> {
  const response = await fetch(`${urls[asked % urls.length]}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...chat(`question ${asked++}`, { max_tokens: 50 }), stream }),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return {
    id: response.headers.get('x-penstock-request-id') ?? '',
    waitMs: Number(response.headers.get('x-penstock-queue-wait-ms')),
    at: performance.now(),
  };
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? ([\\d.e+-]+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Whether the trail of one of them says that it waited for its project's turn: of so many in a second not all are kept. */
async function isExplained(key: string, answers: readonly Answered[]): Promise<boolean> {
  for (const { id } of answers.toReversed()) {
    const trail = await fetch(`${stack.url}/v1/requests/${id}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    if ((await trail.text()).includes('waited at the door: its project is over its share')) return true;
  }
  return false;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const everywhere = async (from: readonly string[], name: string) =>
  sum(await Promise.all(from.map(url => metric(url, name))));

/** Engines stand nearly still until all are there: how fast this machine takes them is of no matter then. */
async function askAll<T>(requests: number, begin: () => T): Promise<T> {
  const slow = (factor: number) => Promise.all(stack.engines.map(engine => slowDown(engine, factor)));
  await slow(100);
  const begun = begin();
  await waitFor(async () => (await everywhere(urls, 'penstock_open_requests')) === requests);
  await slow(1);
  return begun;
}

test('one project that sends fifty times as much does not make another one wait', async t => {
  const [loud, quiet] = [await projectOf(1), await projectOf(1)];
  const all = await askAll(140, () => Array.from({ length: 140 }, () => ask(loud, true)));
  const busy: number[] = [];
  const few: Answered[] = [];
  const engines = stack.engines.map(({ url }) => url);
  while (few.length < 5 || (await everywhere(urls, 'penstock_door_waiting')) > 15) {
    busy.push(await everywhere(engines, 'vllm:num_requests_running'));
    few.push(await ask(quiet, true));
    await sleep(20);
  }
  const answers = await Promise.all(all);
  const waits = answers.map(({ waitMs }) => waitMs).sort((a, b) => a - b);
  const own = few.map(({ waitMs }) => waitMs).sort((a, b) => a - b);
  const [theirs, most] = [quantile(waits, 0.5), quantile(own, 0.99)];
  assert.ok(2 * most < theirs, `it waited ${most} ms, where the others waited ${theirs} ms`);
  const used = sum(busy) / busy.length / (ENGINES * SLOTS);
  t.diagnostic(
    `wait p99: ${most} ms; of the others p50: ${theirs} ms; slots used: ${(100 * used).toFixed(0)} %`,
  );
  assert.ok(await isExplained(loud, answers), 'its trail says why one of them waited');
});

test('projects that both want more than there is are served by weight, whatever nodes they use', async t => {
  const keys = [await projectOf(1), await projectOf(3)] as const;
  const both = await askAll(140, () => Array.from({ length: 70 }, () => keys.map(key => ask(key, false))));
  const of = (at: 0 | 1) => Promise.all(both.map(pair => pair[at] ?? assert.fail()));
  const [light, heavy] = await Promise.all([of(0), of(1)]);
  const isHeavy = new Set(heavy);
  const inOrder = [...heavy, ...light].sort((a, b) => a.at - b.at);
  const first = inOrder.slice(0, 70).filter(each => isHeavy.has(each)).length;
  t.diagnostic(`of the first 70 answers ${first} are of the heavier`);
  assert.ok(first > 0.6 * 70 && first < 0.9 * 70, `of the first 70 answers ${first} are of the heavier`);
});

test('in the end nothing waits anywhere', async () => {
  await waitFor(async () => (await everywhere(urls, 'penstock_open_requests')) === 0);
  assert.equal(await everywhere(urls, 'penstock_door_waiting'), 0);
});
