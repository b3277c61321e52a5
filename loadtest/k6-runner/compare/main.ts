/**
 * `node deploy/local/with-node.mjs loadtest/k6-runner/compare/main.ts`: the runner and AIPerf in turn on the same stack, with the same
 * requests at the same rate. Writes `loadtest/results/third-party.json`; exits with 1 when they differ by more than 5 %.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureNatsServer, ensureRedisServer } from '../../../deploy/local/tools.ts';
import { API_KEY, startStack } from '../../../testkit/stack.ts';
import { run } from '../run.ts';
import { AIPERF, requireAiperf, runAiperf } from './aiperf.ts';
import { difference, type Figures, type Load, meanOf } from './figures.ts';

const RESULT = new URL('../../results/third-party.json', import.meta.url).pathname;
const SCRIPT = new URL('stream.ts', import.meta.url).pathname;
const PROFILE = 'dense-8b-h100';
const ALLOWED = 0.05;
const ROUNDS = 3;
const REQUESTS = 100;
const WARM_UP = 25;
const RATE = 5;
/** About 1,600 tokens: a first token takes long enough that a millisecond of a client does not matter. */
const WORDS = 800;
const EXTRA = { max_tokens: 64, ignore_eos: true };
const say = (line: string) => process.stdout.write(`${line}\n`);

requireAiperf();
process.env['PENSTOCK_TEST_NATS_SERVER'] = await ensureNatsServer();
process.env['PENSTOCK_TEST_REDIS_SERVER'] = await ensureRedisServer();
const directory = mkdtempSync(join(tmpdir(), 'penstock-compare-'));
const rounds: { runner: Figures; aiperf: Figures }[] = [];
{
  await using stack = await startStack({
    engines: [{ profile: PROFILE }, { profile: PROFILE }],
    workerEnv: { PENSTOCK_SLOTS: '64' },
  });
  await runOurs(loadFor(stack.url, 'warm-up', WARM_UP));
  for (let round = 1; round <= ROUNDS; round++) {
    const runner = await runOurs(loadFor(stack.url, `runner ${round}`));
    const aiperf = await runAiperf(loadFor(stack.url, `aiperf ${round}`), directory);
    rounds.push({ runner, aiperf });
    say(`round ${round}: ${JSON.stringify({ runner, aiperf })}`);
  }
}
rmSync(directory, { recursive: true, force: true });
const runner = meanOf(rounds.map(round => round.runner));
const aiperf = meanOf(rounds.map(round => round.aiperf));
const apart = difference(runner, aiperf);
const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
const load = {
  engines: `2 × ${PROFILE} (simulated)`,
  rate: RATE,
  requests: REQUESTS,
  words: WORDS,
  ...EXTRA,
};
writeFileSync(
  RESULT,
  `${JSON.stringify({ ...machine, against: AIPERF, load, runner, aiperf, difference: apart, rounds }, null, 2)}\n`,
);
for (const [name, share] of Object.entries(apart)) say(`${name.padEnd(12)} ${(share * 100).toFixed(1)} %`);
process.exitCode = Object.values(apart).every(share => Math.abs(share) <= ALLOWED) ? 0 : 1;

/** The same lengths each time, and a beginning that no cache knows. */
function loadFor(url: string, name: string, requests = REQUESTS): Load {
  const promptsFile = join(directory, `${name.replace(' ', '-')}.jsonl`);
  const lines = Array.from({ length: requests }, (_, index) => {
    const words = Array.from({ length: WORDS }, (_, word) => `word${(index * 31 + word) % 977}`);
    return `${JSON.stringify({ text: `${name} ${index} ${words.join(' ')}` })}\n`;
  });
  writeFileSync(promptsFile, lines.join(''));
  return { url, key: API_KEY, model: 'sim-chat', promptsFile, requests, rate: RATE, extra: EXTRA };
}

async function runOurs(load: Load): Promise<Figures> {
  const env = {
    TARGET: load.url,
    KEY: load.key,
    MODEL: load.model,
    PROMPTS: load.promptsFile,
    RATE: String(load.rate),
    EXTRA: JSON.stringify(load.extra),
  };
  const { summary, problems } = await run(SCRIPT, { env, stderr: process.stderr });
  if (summary === null || problems.length > 0) throw new Error(problems.join('; '));
  const of = (metric: string, stat: string) => summary.metrics[metric]?.values[stat] ?? Number.NaN;
  return {
    requests: of('llm_first_token', 'count'),
    ttftMeanMs: of('llm_first_token', 'avg'),
    ttftP50Ms: of('llm_first_token', 'med'),
    ttftP90Ms: of('llm_first_token', 'p(90)'),
    itlMeanMs: of('llm_itl', 'avg'),
  };
}
