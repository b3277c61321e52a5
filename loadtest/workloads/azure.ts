/**
 * The Azure code-completion trace of 2023, the spike test: its busiest second has 26 times the mean (Patel et al.,
 * "Splitwise", ISCA 2024; github.com/Azure/AzurePublicDataset, CC-BY-4.0, Microsoft). It names no prefixes.
 */
import { generateBursts } from './generate.ts';
import { limitTrace, type Trace, TraceError, type TraceLimits, type TraceRequest } from './trace.ts';
import { readTraceFile, readTraceLines } from './trace-file.ts';

const FILE = 'azure-2023/AzureLLMInferenceTrace_code.csv.gz';

const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens';
const LINE = /^([^,]+),(\d+),(\d+)$/;

/** The code trace or, if its file is missing, a generated one with its lengths and bursts. */
export function codeTrace(limits: TraceLimits = {}, seed = 1, env = process.env): Trace {
  const file = readTraceFile(FILE, env);
  if (file === null) return { source: 'generated', requests: limitTrace(generateBursts(seed), limits) };
  return { source: 'azure-code', requests: limitTrace(parseAzure(file.text, file.path), limits) };
}

/** Columns TIMESTAMP, ContextTokens, GeneratedTokens. @throws TraceError naming the line. */
export function parseAzure(text: string, file = 'trace'): TraceRequest[] {
  let start: number | null = null;
  let last = 0;
  const withoutHeader = text.startsWith(HEADER) ? text.slice(HEADER.length) : text;
  return readTraceLines(withoutHeader, file, (line, place) => {
    const [, stamp = '', input, output] = LINE.exec(line) ?? [];
    const at = timeOf(stamp);
    if (!Number.isFinite(at)) throw new TraceError(`${place}: not ${HEADER}`);
    start ??= at;
    if (at < last) throw new TraceError(`${place}: time goes backwards; sort it by timestamp`);
    last = at;
    return { atMs: at - start, inputTokens: Number(input), outputTokens: Number(output), blocks: [] };
  });
}

/** Time stamps have seven decimals of a second, more than Date can parse. */
function timeOf(stamp: string): number {
  const [whole = '', fraction = '0'] = stamp.split('.');
  return Date.parse(`${whole.replace(' ', 'T')}Z`) + Number(`0.${fraction}`) * 1000;
}
