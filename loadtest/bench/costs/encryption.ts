/**
 * What encryption at rest costs: CPU of all processes of a region with it, by that of a region without it, under the same load in turns, so
 * that what else the machine does meets both alike.
 */
import { KeyList } from '@penstock/transport';
import { API_KEY, chat, type Stack, startStack } from '../../../testkit/stack.ts';
import { cpuSeconds } from '../measure/cpu.ts';
import { type LoadOptions, quantile, runLoad } from '../measure/load.ts';

const PARTS = ['ingress', 'workers', 'nats', 'redis'] as const;
type Part = (typeof PARTS)[number];

export interface EncryptedLoad {
  readonly name: string;
  readonly errors: number;
  /** CPU a request without encryption, µs: lower quartiles of the rounds, as what else runs on the machine only adds. */
  readonly plainUs: Readonly<Record<Part, number>>;
  readonly sealedUs: Readonly<Record<Part, number>>;
  /** Of the sum of a round with encryption by that of one without, each at its lower quartile. */
  readonly ratio: number;
  /** Of each two rounds that follow each other: the quartiles. */
  readonly lowRatio: number;
  readonly highRatio: number;
}

export interface EncryptionCost {
  readonly rounds: number;
  readonly loads: readonly EncryptedLoad[];
}

/** Short ones: what else the machine does is more alike in two that follow each other closely. */
const ROUNDS = 12;
/** About 500 tokens. */
const PROMPT = 'Penstock asks what a page of text costs. '.repeat(50);
const TOKENS = 128;

const LOADS: readonly (LoadOptions & { readonly name: string })[] = [
  {
    name: `responses in the background, ${TOKENS} tokens, followed live`,
    path: '/v1/responses',
    body: JSON.stringify({
      ...{ model: 'sim-chat', input: PROMPT, max_output_tokens: TOKENS, background: true, stream: true },
    }),
    ...{ concurrency: 128, requests: 128 },
  },
  {
    name: `jobs, ${TOKENS} tokens, held until they are done`,
    body: JSON.stringify(chat(PROMPT, { max_tokens: TOKENS })),
    headers: { prefer: 'respond-async, wait=60' },
    ...{ concurrency: 128, requests: 384 },
  },
  {
    name: `streams of clients that wait, ${TOKENS} tokens (\`PENSTOCK_ENCRYPT_QUEUE=all\`)`,
    body: JSON.stringify(chat(PROMPT, { max_tokens: TOKENS, stream: true })),
    ...{ concurrency: 128, requests: 128 },
  },
];

export async function measureEncryption(): Promise<EncryptionCost> {
  const engines = [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }];
  const work = { PENSTOCK_WORK_KEYS: KeyList.draw('w1') };
  const keys = { ...work, PENSTOCK_ENCRYPTION_KEYS: KeyList.draw('k1'), PENSTOCK_ENCRYPT_QUEUE: 'all' };
  await using plain = await startStack({ engines });
  await using sealed = await startStack({ engines, ingressEnv: keys, workerEnv: work });
  const loads: EncryptedLoad[] = [];
  for (const load of LOADS) loads.push(await measureOne(plain, sealed, load));
  return { rounds: ROUNDS, loads };
}

interface Round {
  readonly us: Readonly<Record<Part, number>>;
  readonly errors: number;
}

async function measureOne(
  plain: Stack,
  sealed: Stack,
  load: LoadOptions & { readonly name: string },
): Promise<EncryptedLoad> {
  const rounds = { plain: [] as Round[], sealed: [] as Round[] };
  for (let i = -1; i < ROUNDS; i++) {
    const order = [['plain', plain] as const, ['sealed', sealed] as const];
    // Who goes first changes, and the first round warms up.
    for (const [name, stack] of i % 2 === 0 ? order : order.reverse()) {
      const round = await once(stack, load);
      if (i >= 0) rounds[name].push(round);
    }
  }
  const all = [...rounds.plain, ...rounds.sealed];
  const ratios = rounds.sealed
    .map((round, i) => sumOf(round) / sumOf(rounds.plain[i] ?? round))
    .sort((a, b) => a - b);
  const at = (q: number) => ratios[Math.floor(q * (ratios.length - 1))] ?? Number.NaN;
  return {
    name: load.name,
    errors: all.reduce((sum, { errors }) => sum + errors, 0),
    plainUs: calmOf(rounds.plain),
    sealedUs: calmOf(rounds.sealed),
    ratio: calm(rounds.sealed.map(sumOf)) / calm(rounds.plain.map(sumOf)),
    ...{ lowRatio: at(0.25), highRatio: at(0.75) },
  };
}

async function once(stack: Stack, load: LoadOptions): Promise<Round> {
  const before = cpuOf(stack);
  const { errors } = await runLoad({ url: stack.url, apiKey: API_KEY }, load);
  const after = cpuOf(stack);
  const us = (part: Part) => ((after[part] - before[part]) * 1e6) / load.requests;
  return {
    errors,
    us: { ingress: us('ingress'), workers: us('workers'), nats: us('nats'), redis: us('redis') },
  };
}

function cpuOf({ ingress, workers, nats, redis }: Stack): Record<Part, number> {
  return {
    ingress: cpuSeconds(ingress.pid),
    workers: workers.reduce((sum, worker) => sum + cpuSeconds(worker.pid), 0),
    nats: cpuSeconds(nats.pid),
    redis: cpuSeconds(redis.pid),
  };
}

function sumOf({ us }: Round): number {
  return PARTS.reduce((sum, part) => sum + us[part], 0);
}

function calm(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.25,
  );
}

function calmOf(rounds: readonly Round[]): Record<Part, number> {
  const of = (part: Part) => calm(rounds.map(({ us }) => us[part]));
  return { ingress: of('ingress'), workers: of('workers'), nats: of('nats'), redis: of('redis') };
}

export function renderEncryption({ rounds, loads }: EncryptionCost): string {
  const rows = loads.map(({ name, ratio, lowRatio, highRatio, plainUs, sealedUs, errors }) => {
    const parts = (us: EncryptedLoad['plainUs']) => PARTS.map(part => us[part].toFixed(0)).join(' + ');
    const cost = `${percent(ratio)} (${percent(lowRatio)} to ${percent(highRatio)})`;
    return `| ${name} | ${cost} | ${parts(plainUs)} | ${parts(sealedUs)} | ${errors} |`;
  });
  return `## Encryption at rest
CPU of all processes with [encryption](security.md#encryption-at-rest) beside that without it: two regions on this machine, ${rounds} rounds in each by turns. What else
runs on a machine adds to both and never takes away, so the lower quartiles are compared; in parentheses the quartiles of what two rounds after each other differ by. On a machine that others use, runs differ by as much as they measure: [all of them](security.md#what-it-costs).

| load | more CPU | µs a request without = ingress + workers + NATS + Redis | with | errors |
|---|---|---|---|---|
${rows.join('\n')}`;
}

function percent(ratio: number): string {
  const more = (ratio - 1) * 100;
  return `${more < 0 ? '−' : '+'}${Math.abs(more).toFixed(1)} %`;
}
