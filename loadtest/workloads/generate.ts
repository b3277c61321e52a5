/** Requests with the statistics of the public traces, for use without the trace files; and chat with shared system prompts. */
import { BLOCK_TOKENS, seededRandom, type TraceRequest } from './trace.ts';

/** Quantiles of the trace (Mooncake, Apache-2.0): share → tokens. Between them the logarithm is taken to be linear. */
const INPUT: readonly Quantile[] = [
  [0, 890],
  [0.5, 6909],
  [0.95, 39_552],
  [0.99, 85_401],
  [1, 126_000],
];
const OUTPUT: readonly Quantile[] = [
  [0, 1],
  [0.05, 20],
  [0.5, 350],
  [0.95, 698],
  [0.99, 1120],
  [1, 2000],
];
type Quantile = readonly [share: number, tokens: number];

const REQUESTS = 12_000;
const PER_SECOND = 3.4;
/** Share of requests that continue an earlier conversation, and the time between its turns. */
const FOLLOW_UPS = 0.387;
const GAP_P50_MS = 123_000;
/** Open conversations that a follow-up may belong to. */
const RECENT = 400;

interface Conversation {
  readonly blocks: readonly number[];
  readonly inputTokens: number;
  readonly endedAt: number;
}

/** Poisson arrivals; a follow-up repeats the blocks of its conversation and adds new ones. Block 0 begins every prompt. */
export function generateConversations(seed: number, maxSeconds = Number.POSITIVE_INFINITY): TraceRequest[] {
  const random = seededRandom(seed);
  const open: Conversation[] = [];
  const requests: TraceRequest[] = [];
  let nextBlock = 1;
  let atMs = 0;
  while (requests.length < REQUESTS && atMs < maxSeconds * 1000) {
    atMs += (-Math.log(1 - random()) / PER_SECOND) * 1000;
    const drawn = Math.round(quantileOf(INPUT, random()));
    const outputTokens = Math.round(quantileOf(OUTPUT, random()));
    const before = random() < FOLLOW_UPS ? takeRipe(open, atMs, random) : null;
    const inputTokens = before === null ? drawn : before.inputTokens + outputTokens + Math.round(drawn / 10);
    const blocks: number[] = [...(before?.blocks ?? [0])];
    while (blocks.length < Math.floor(inputTokens / BLOCK_TOKENS)) blocks.push(nextBlock++);
    requests.push({ atMs, inputTokens, outputTokens, blocks });
    open.push({ blocks, inputTokens, endedAt: atMs });
    if (open.length > RECENT) open.shift();
  }
  return requests;
}

/** A conversation whose user has had time to read, the likelier the closer to the usual gap. */
function takeRipe(open: Conversation[], now: number, random: () => number): Conversation | null {
  const wanted = now - GAP_P50_MS * (0.5 + random());
  let best = -1;
  let distance = Number.POSITIVE_INFINITY;
  for (const [i, { endedAt }] of open.entries()) {
    const away = Math.abs(endedAt - wanted);
    if (away >= distance) continue;
    best = i;
    distance = away;
  }
  return best < 0 ? null : (open.splice(best, 1)[0] ?? null);
}

const CODE_INPUT: readonly Quantile[] = [
  [0, 30],
  [0.5, 1469],
  [0.95, 7315],
  [1, 7436],
];
const CODE_OUTPUT: readonly Quantile[] = [
  [0, 1],
  [0.5, 13],
  [0.95, 90],
  [0.99, 252],
  [1, 1000],
];
/** Requests of the Azure code trace come in bursts: so many a second at the peak, and quiet in between. */
const BURST = { every: 45_000, requests: 100, lastsMs: 6000 };

/** Bursts at random times, each of geometric size, with the lengths of the Azure code trace (Microsoft, CC-BY-4.0). */
export function generateBursts(seed: number): TraceRequest[] {
  const random = seededRandom(seed);
  const requests: TraceRequest[] = [];
  for (let startMs = 0; startMs < 3_400_000; startMs += -Math.log(1 - random()) * BURST.every) {
    const size = Math.ceil(-Math.log(1 - random()) * BURST.requests);
    for (let i = 0; i < size; i++) {
      requests.push({
        atMs: startMs + random() * BURST.lastsMs,
        inputTokens: Math.round(quantileOf(CODE_INPUT, random())),
        outputTokens: Math.round(quantileOf(CODE_OUTPUT, random())),
        blocks: [],
      });
    }
  }
  return requests.sort((a, b) => a.atMs - b.atMs);
}

/** Agents: conversations whose prompts grow by a few thousand tokens a turn, with short pauses. */
export function generateAgents(seed: number): TraceRequest[] {
  const random = seededRandom(seed);
  const requests: TraceRequest[] = [];
  let nextBlock = 0;
  for (let startMs = 0; startMs < 3_400_000; startMs += -Math.log(1 - random()) * 20_000) {
    const blocks: number[] = [];
    let atMs = startMs;
    let inputTokens = 8000 + random() * 12_000;
    while (inputTokens < 65_536) {
      while (blocks.length < Math.floor(inputTokens / BLOCK_TOKENS)) blocks.push(nextBlock++);
      const outputTokens = Math.ceil(-Math.log(1 - random()) * 400);
      requests.push({ atMs, inputTokens: Math.round(inputTokens), outputTokens, blocks: [...blocks] });
      inputTokens += outputTokens + 500 + random() * 4000;
      atMs += 5000 - Math.log(1 - random()) * 25_000;
    }
  }
  return requests.sort((a, b) => a.atMs - b.atMs);
}

/** Applications with a long system prompt each, the busiest with a third of the traffic. */
const APPLICATIONS = { count: 24, systemTokens: 6144, perSecond: 12, seconds: 3600 };

/** Poisson arrivals; application k is asked 1/k as often as the first; a prompt is its system text and a question. */
export function generateSystemPrompts(seed: number): TraceRequest[] {
  const random = seededRandom(seed);
  const weights = Array.from({ length: APPLICATIONS.count }, (_, k) => 1 / (k + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shared = APPLICATIONS.systemTokens / BLOCK_TOKENS;
  const requests: TraceRequest[] = [];
  let atMs = 0;
  while (atMs < APPLICATIONS.seconds * 1000) {
    atMs += (-Math.log(1 - random()) / APPLICATIONS.perSecond) * 1000;
    let left = random() * total;
    let application = 0;
    while (application < weights.length - 1 && left >= (weights[application] ?? 0))
      left -= weights[application++] ?? 0;
    requests.push({
      atMs,
      inputTokens: APPLICATIONS.systemTokens + Math.ceil(-Math.log(1 - random()) * 400),
      outputTokens: Math.ceil(-Math.log(1 - random()) * 200),
      blocks: Array.from({ length: shared }, (_, i) => application * shared + i),
    });
  }
  return requests;
}

function quantileOf(table: readonly Quantile[], share: number): number {
  for (let i = 1; i < table.length; i++) {
    const [toShare, to] = table[i] ?? [1, 1];
    const [fromShare, from] = table[i - 1] ?? [0, 1];
    if (share > toShare) continue;
    const part = (share - fromShare) / (toShare - fromShare);
    return Math.exp(Math.log(from) + part * (Math.log(to) - Math.log(from)));
  }
  return table.at(-1)?.[1] ?? 1;
}
