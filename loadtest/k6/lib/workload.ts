/** Requests with the lengths of public traces (loadtest/workloads/data), drawn once and shared by all virtual users. */
import { SharedArray } from 'k6/data';
import { number, SEED, text } from './env.ts';
import { quantileAt, seeded } from './random.ts';

export interface Draw {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

interface LengthTables {
  readonly shares: readonly number[];
  readonly workloads: Readonly<
    Record<string, { readonly input: readonly number[]; readonly output: readonly number[] }>
  >;
}

const DRAWS = 4096;
/** Three letters and a blank: one token to most tokenizers, and to those that count four bytes as one. */
const WORDS =
  'the and for you not are but his had her was one our out day get has him how man new now old see two way who boy did its let put say she too use';
const CHARS_PER_TOKEN = 4;

/** @param workload `chat`, `code` or `long`. Prompt and answer are drawn independently of one another. */
export function requests(workload = text('WORKLOAD', 'chat')): readonly Draw[] {
  const maxInput = number('MAX_INPUT_TOKENS', 8192);
  const maxOutput = number('MAX_OUTPUT_TOKENS', 1024);
  return new SharedArray(`requests ${workload}`, () => {
    const { shares, workloads } = readTable<LengthTables>(
      import.meta.resolve('../../workloads/data/lengths.json'),
    );
    const table = workloads[workload];
    if (table === undefined)
      throw new Error(`WORKLOAD=${workload}: use one of ${Object.keys(workloads).join(', ')}`);
    const random = seeded(SEED);
    return Array.from({ length: DRAWS }, () => ({
      promptTokens: Math.round(Math.min(maxInput, quantileAt(shares, table.input, random()))),
      outputTokens: Math.round(Math.min(maxOutput, quantileAt(shares, table.output, random()))),
    }));
  });
}

/** Only in the init context, where k6 lets files be opened. */
export function readTable<T>(url: string): T {
  return JSON.parse(open(url)) as T;
}

/** A prompt of about so many tokens that shares no prefix with that of another `key`. */
export function promptText(key: string, tokens: number): string {
  let hash = 7;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  const chars = tokens * CHARS_PER_TOKEN;
  const from = ((hash >>> 0) % (WORDS.length / CHARS_PER_TOKEN)) * CHARS_PER_TOKEN;
  const turned = `${WORDS.slice(from)} ${WORDS.slice(0, from)}`;
  return `${key} ${turned.repeat(Math.ceil(chars / turned.length))}`.slice(0, Math.max(key.length, chars));
}
