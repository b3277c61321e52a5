/**
 * `node loadtest/workloads/data/derive.ts`: derives the small tables beside it from the public traces. Only figures leave the
 * traces: quantiles of lengths, turns and gaps, and arrival rates relative to their mean.
 */
import { writeFileSync } from 'node:fs';
import { parseAzure } from '../azure.ts';
import { parseMooncake } from '../mooncake.ts';
import { TraceError, type TraceRequest } from '../trace.ts';
import { readTraceFile } from '../trace-file.ts';
import { type Session, sessionsOf } from './sessions.ts';

const SHARES = [0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1];

const AZURE =
  '"Azure LLM inference trace 2023", Microsoft, CC-BY-4.0, github.com/Azure/AzurePublicDataset; Patel et al., "Splitwise", ISCA 2024';
const MOONCAKE =
  'Mooncake conversation trace, Apache-2.0, github.com/kvcache-ai/Mooncake; Qin et al., "Mooncake: Trading More Storage for Less Computation", USENIX FAST 2025';
const SERVEGEN =
  'ServeGen, pool m-large, mean of 14 days, Apache-2.0, github.com/alibaba/ServeGen; Xiang et al., "ServeGen", arXiv 2505.09999';

function traceText(name: string): string {
  const file = readTraceFile(name, process.env);
  if (file === null)
    throw new TraceError(`${name} is missing: put the public traces into traces/ (see README.md)`);
  return file.text;
}

/** The nearest-rank quantile at each of the shares. */
function quantiles(values: readonly number[], digits = 0): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return SHARES.map(share =>
    Number((sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0).toFixed(digits)),
  );
}

function lengths(source: string, requests: readonly TraceRequest[]) {
  return {
    source,
    requests: requests.length,
    input: quantiles(requests.map(request => Math.max(1, request.inputTokens))),
    output: quantiles(requests.map(request => Math.max(1, request.outputTokens))),
  };
}

/** Arrivals in each whole window, relative to their mean. */
function relativeRates(requests: readonly TraceRequest[], windowS: number): number[] {
  const windows = Math.floor((requests.at(-1)?.atMs ?? 0) / 1000 / windowS);
  const counts = Array.from({ length: windows }, () => 0);
  for (const { atMs } of requests) {
    const window = Math.floor(atMs / 1000 / windowS);
    if (window < windows) counts[window] = (counts[window] ?? 0) + 1;
  }
  return relative(counts);
}

function relative(rates: readonly number[]): number[] {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  return rates.map(rate => Number((rate / mean).toFixed(3)));
}

/** Mean rate of each hour of the day. */
function dayOf(pool: string): number[] {
  const hours = Array.from({ length: 24 }, () => 0);
  for (const line of traceText('servegen/pool_rate_10min.csv.gz').split(/\r?\n/)) {
    const [name, start, rate] = line.split(',');
    const hour = Math.floor(Number(start) / 3600) % 24;
    if (name === pool) hours[hour] = (hours[hour] ?? 0) + Number(rate);
  }
  return relative(hours);
}

function sessionTable(sessions: readonly Session[]) {
  const several = sessions.filter(session => session.inputs.length > 1);
  const grown = several.flatMap(({ inputs, outputs }) =>
    inputs.slice(1).flatMap((tokens, i) => {
      const added = tokens - (inputs[i] ?? 0) - (outputs[i] ?? 0);
      return added > 0 ? [added] : [];
    }),
  );
  return {
    source: MOONCAKE,
    about:
      'Conversations of two turns or more, inferred from shared prefix blocks. `added` is what a turn adds to the prompt beyond the last answer.',
    conversations: several.length,
    turns: quantiles(several.map(({ inputs }) => inputs.length)),
    first: quantiles(several.map(({ inputs }) => inputs[0] ?? 0)),
    added: quantiles(grown),
    output: quantiles(several.flatMap(({ outputs }) => outputs)),
    gapS: quantiles(
      several.flatMap(({ atMs }) => atMs.slice(1).map((at, i) => (at - (atMs[i] ?? 0)) / 1000)),
      1,
    ),
  };
}

function write(name: string, table: object): void {
  // One line for each list: the tables are read by people too.
  const text = JSON.stringify(table, null, 2).replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, list: string) => {
    return `[${list.replace(/\s+/g, ' ')}]`;
  });
  writeFileSync(new URL(name, import.meta.url).pathname, `${text}\n`);
}

const code = parseAzure(traceText('azure-2023/AzureLLMInferenceTrace_code.csv.gz'));
const conv = parseAzure(traceText('azure-2023/AzureLLMInferenceTrace_conv.csv.gz'));
const kimi = parseMooncake(traceText('mooncake/conversation_trace.jsonl.gz'));
const maxOf = (rates: readonly number[]) => Math.max(...rates);

write('lengths.json', {
  about: 'Tokens of prompt and answer: the value at each share of the requests.',
  shares: SHARES,
  workloads: { chat: lengths(AZURE, conv), code: lengths(AZURE, code), long: lengths(MOONCAKE, kimi) },
});
write('arrivals.json', {
  about: 'Arrival rates relative to their mean.',
  hour: { source: AZURE, windowS: 180, relative: relativeRates(conv, 180) },
  day: { source: SERVEGEN, windowS: 3600, relative: dayOf('m-large') },
  spike: {
    source: AZURE,
    about: 'Busiest window of the code trace over its mean, by length of the window.',
    peakToMean: Object.fromEntries([1, 10, 60].map(s => [`${s}s`, maxOf(relativeRates(code, s))])),
  },
});
write('sessions.json', { shares: SHARES, ...sessionTable(sessionsOf(kimi)) });
