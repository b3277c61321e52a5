/**
 * The Azure code-completion trace of 2023, the spike test: its busiest second has 26 times the mean (Patel et al.,
 * "Splitwise", ISCA 2024; github.com/Azure/AzurePublicDataset, CC-BY-4.0, Microsoft). It names no prefixes.
 */
import { generateBursts } from './generate.ts';
import { limitTrace, type Trace, TraceError, type TraceLimits, type TraceRequest } from './trace.ts';
import { readTraceFile } from './trace-file.ts';

const FILE = 'azure-2023/AzureLLMInferenceTrace_code.csv.gz';

/** The code trace, or where its file is missing a generated stand-in with its lengths and bursts. */
export function codeTrace(limits: TraceLimits = {}, seed = 1, env = process.env): Trace {
  const file = readTraceFile(FILE, env);
  if (file === null) return { source: 'generated', requests: limitTrace(generateBursts(seed), limits) };
  return { source: 'azure-code', requests: limitTrace(parseAzure(file.text, file.path), limits) };
}

/** Columns TIMESTAMP, ContextTokens, GeneratedTokens. @throws TraceError naming the line. */
export function parseAzure(text: string, file = 'trace'): TraceRequest[] {
  const requests: TraceRequest[] = [];
  let start = 0;
  let last = 0;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (i === 0 || line === '') continue;
    const [stamp = '', input, output] = line.split(',');
    const at = timeOf(stamp);
    const [inputTokens, outputTokens] = [Number(input), Number(output)];
    if (!(Number.isFinite(at) && inputTokens >= 0 && outputTokens >= 0))
      throw new TraceError(`${file}:${i + 1}: not TIMESTAMP,ContextTokens,GeneratedTokens`);
    if (requests.length === 0) start = at;
    else if (at < last) throw new TraceError(`${file}:${i + 1}: time goes backwards; sort it by timestamp`);
    last = at;
    requests.push({ atMs: at - start, inputTokens, outputTokens, blocks: [] });
  }
  if (requests.length === 0) throw new TraceError(`${file}: no requests in it`);
  return requests;
}

/** Stamps have seven digits behind the second, more than Date reads. */
function timeOf(stamp: string): number {
  const [whole = '', fraction = '0'] = stamp.split('.');
  return Date.parse(`${whole.replace(' ', 'T')}Z`) + Number(`0.${fraction}`) * 1000;
}
