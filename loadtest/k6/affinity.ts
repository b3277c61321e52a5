/**
 * Conversations of several turns, as in the Mooncake trace: each turn sends the history again. How much of it is found in a
 * worker's cache? Sessions arrive in an open model; within one, a turn waits for the answer and for the user to think.
 */
import exec from 'k6/execution';
import { chat, pause } from './lib/client.ts';
import { number, SEED } from './lib/env.ts';
import * as metrics from './lib/metrics.ts';
import type { Prepared } from './lib/preflight.ts';
import { constant, duration, HONEST, optionsOf, rate } from './lib/profiles.ts';
import { quantileAt, seeded } from './lib/random.ts';
import { cachedTokens, textOf } from './lib/stream.ts';
import { promptText, readTable } from './lib/workload.ts';

export { setup } from './lib/preflight.ts';
export { handleSummary } from './lib/summary.ts';

interface Sessions {
  readonly shares: readonly number[];
  readonly turns: readonly number[];
  readonly first: readonly number[];
  readonly added: readonly number[];
  readonly output: readonly number[];
  readonly gapS: readonly number[];
}

const table = readTable<Sessions>(import.meta.resolve('../workloads/data/sessions.json'));
const MAX_TURNS = number('MAX_TURNS', 6);
const MAX_INPUT = number('MAX_INPUT_TOKENS', 16_384);
const MAX_OUTPUT = number('MAX_OUTPUT_TOKENS', 512);
/** Users of the trace think for two minutes; a test has less time. */
const THINK_SCALE = number('THINK_SCALE', 0.02);
const MAX_THINK_S = number('MAX_THINK_S', 600) * THINK_SCALE;
const LONGEST_S = MAX_TURNS * (MAX_THINK_S + 10);

export const options = optionsOf(
  { sessions: constant(rate(1), duration('2m'), LONGEST_S) },
  {
    ...HONEST,
    llm_errors: ['count==0'],
    checks: ['rate==1'],
    'llm_cache_hit{turn:later}': [`avg>=${number('MIN_CACHE_HIT', 0.8)}`],
    'llm_ttft{turn:first}': ['p(99)>=0'],
    'llm_ttft{turn:later}': ['p(99)>=0'],
  },
);

export default async function ({ model, run }: Prepared): Promise<void> {
  const session = exec.scenario.iterationInTest;
  const random = seeded(SEED + session * 7919);
  const draw = (values: readonly number[]) => Math.round(quantileAt(table.shares, values, random()));
  const turns = Math.min(MAX_TURNS, draw(table.turns));
  const key = `${run} session ${session}`;
  const messages = [{ role: 'user', content: promptText(key, Math.min(MAX_INPUT, draw(table.first))) }];
  let history = 0;
  for (let turn = 1; turn <= turns && history < MAX_INPUT; turn++) {
    const answer = await chat({
      model,
      messages,
      maxTokens: Math.min(MAX_OUTPUT, draw(table.output)),
      cacheKey: key,
      tags: { turn: turn === 1 ? 'first' : 'later' },
    });
    if (answer.usage === null) return;
    if (turn > 1)
      metrics.cacheHit.add(Math.min(1, cachedTokens(answer.usage) / history), { model, turn: 'later' });
    history = answer.usage.prompt_tokens + answer.usage.completion_tokens;
    if (turn === turns) return;
    messages.push({ role: 'assistant', content: textOf(answer.body) });
    const added = Math.min(draw(table.added), Math.max(1, MAX_INPUT - history));
    messages.push({ role: 'user', content: promptText(`${key} turn ${turn}`, added) });
    await pause(1000 * Math.min(MAX_THINK_S, quantileAt(table.shares, table.gapS, random()) * THINK_SCALE));
  }
}
