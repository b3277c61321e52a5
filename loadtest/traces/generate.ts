/** Requests like those of the Mooncake conversation trace, for where its file is not at hand. */
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
export function generateConversations(seed: number): TraceRequest[] {
  const random = seededRandom(seed);
  const open: Conversation[] = [];
  const requests: TraceRequest[] = [];
  let nextBlock = 1;
  let atMs = 0;
  while (requests.length < REQUESTS) {
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
