/** AIPerf, NVIDIA's load generator, as a second opinion on the same server. It is brought by the user, into `.tools`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Figures, Load } from './figures.ts';

export const AIPERF = 'aiperf==0.13.0';
const BIN = resolve(import.meta.dirname, '../../../.tools/aiperf-venv/bin/aiperf');
/** It needs a tokenizer even where the server counts; this one knows a single word and asks nobody. */
const TOKENIZER = {
  version: '1.0',
  added_tokens: [
    {
      id: 0,
      content: '[UNK]',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    },
  ],
  pre_tokenizer: { type: 'Whitespace' },
  model: { type: 'WordLevel', vocab: { '[UNK]': 0, the: 1 }, unk_token: '[UNK]' },
};

/** @throws when it is not installed, with the command that does it. */
export function requireAiperf(): void {
  if (existsSync(BIN)) return;
  throw new Error(
    `no ${AIPERF}; run: python3.11 -m venv .tools/aiperf-venv && .tools/aiperf-venv/bin/pip install ${AIPERF}`,
  );
}

/** @param directory for what it needs and writes. */
export async function runAiperf(load: Load, directory: string): Promise<Figures> {
  const tokenizer = join(directory, 'tokenizer');
  mkdirSync(tokenizer, { recursive: true });
  writeFileSync(join(tokenizer, 'tokenizer.json'), JSON.stringify(TOKENIZER));
  writeFileSync(
    join(tokenizer, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', unk_token: '[UNK]' }),
  );
  const out = join(directory, 'aiperf');
  const child = spawn(BIN, argumentsFor(load, tokenizer, out), {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', text => (said += text));
  const [code] = (await once(child, 'exit')) as [number | null];
  const report = join(out, 'profile_export_aiperf.json');
  if (code !== 0 || !existsSync(report)) throw new Error(`AIPerf ended with ${code}:\n${said.slice(-3000)}`);
  return readReport(JSON.parse(readFileSync(report, 'utf8')));
}

function argumentsFor(load: Load, tokenizer: string, out: string): string[] {
  const { url, key, model, promptsFile, requests, rate, extra } = load;
  return [
    ...['profile', '-m', model, '--url', url, '--api-key', key, '--endpoint-type', 'chat', '--streaming'],
    ...['--tokenizer', tokenizer, '--use-server-token-count', '--extra-inputs', JSON.stringify(extra)],
    ...['--input-file', promptsFile, '--custom-dataset-type', 'single_turn'],
    ...['--dataset-sampling-strategy', 'sequential', '--arrival-pattern', 'constant'],
    ...['--request-rate', String(rate), '--request-count', String(requests)],
    ...['--workers-max', '1', '--ui', 'none', '--artifact-dir', out],
  ];
}

interface Statistic {
  readonly avg: number;
  readonly p50: number;
  readonly p90: number;
}

function readReport(report: Record<string, Statistic | undefined>): Figures {
  const of = (name: string): Statistic => {
    const statistic = report[name];
    if (statistic === undefined) throw new Error(`AIPerf's report has no ${name}`);
    return statistic;
  };
  const ttft = of('time_to_first_token');
  return {
    requests: of('request_count').avg,
    ttftMeanMs: ttft.avg,
    ttftP50Ms: ttft.p50,
    ttftP90Ms: ttft.p90,
    itlMeanMs: of('inter_token_latency').avg,
  };
}
