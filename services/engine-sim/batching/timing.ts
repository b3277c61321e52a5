/**
 * How long one forward step of an engine takes.
 *
 *   step = fixed + perNewToken·n + perDecodeSeq·b + perResidentToken·kv + perTokenPair·Σ(n_i² + 2·n_i·p_i)
 *
 * n = prompt tokens computed in the step (cache hits excluded), p = tokens of the same prompts already in the cache,
 * b = sequences decoding, kv = sum of their context lengths. The pair term is attention: it telescopes, so a prompt
 * costs the same whether it is computed in one piece or in chunks (but each chunk pays the fixed part).
 */

export interface Profile {
  readonly name: string;
  /** The model and hardware the figures stand for. */
  readonly like: string;
  /** Of the model; told in the model list. */
  readonly architecture?: 'dense' | 'moe';
  readonly stepFixedMs: number;
  readonly usPerNewToken: number;
  readonly nsPerTokenPair: number;
  readonly usPerDecodeSeq: number;
  readonly usPerResidentToken: number;
  /** Tokens of context that fit in GPU memory, over all sequences. */
  readonly kvCapacityTokens: number;
  /** Sequences run at once (vLLM: max_num_seqs). */
  readonly maxNumSeqs: number;
  /** Tokens computed in one step, prefill and decode together (vLLM: max_num_batched_tokens). */
  readonly maxBatchedTokens: number;
  /** From arrival to the first step the request can join: HTTP, tokenizer, scheduler. Holds up no other request. */
  readonly ingestMs: number;
  /** No step takes any time: tokens come at once and the batching is bypassed. */
  readonly instant?: true;
}

export interface StepLoad {
  /** Prompt tokens computed in this step. */
  readonly newTokens: number;
  /** Σ(n² + 2·n·p) over the prompts computed in this step. */
  readonly tokenPairs: number;
  readonly decodeSeqs: number;
  /** Sum of the context lengths of the decoding sequences. */
  readonly residentTokens: number;
}

/** Duration of one step on the profile's hardware, ms. */
export function stepMs(profile: Profile, load: StepLoad): number {
  return (
    profile.stepFixedMs +
    1e-3 *
      (profile.usPerNewToken * load.newTokens +
        profile.usPerDecodeSeq * load.decodeSeqs +
        profile.usPerResidentToken * load.residentTokens) +
    1e-6 * profile.nsPerTokenPair * load.tokenPairs
  );
}

/** A batch step is limited to this many tokens by default in vLLM V1's online server on such GPUs. */
const BATCHED_TOKENS = 2048;
const NUM_SEQS = 256;

/**
 * Rounded from three public sets of measurements:
 * - Splitwise (github.com/Mutinifni/splitwise-sim, MIT, © 2024 Pratyush Patel): prompt and token times of Llama-2-70B and
 *   BLOOM-176B on A100 and H100. An engine of 2023, so read as an upper bound.
 * - Vidur (github.com/microsoft/vidur, MIT, © Microsoft): measured linear, norm and activation operators by batch tokens.
 * - inference-sim (github.com/inference-sim/inference-sim, Apache-2.0): fits of fixed, prefill and decode cost to vLLM runs.
 * KV capacities and attention terms follow from the published model shapes. The dense profiles rest on all three; the two
 * mixture-of-experts profiles on one fit each (maverick: a fit with a large residual).
 */
export const PROFILES: Readonly<Record<string, Profile>> = Object.freeze({
  'dense-8b-h100': profile(
    'dense-8b-h100',
    'Llama-3.1-8B bf16, 1 × H100 80 GB',
    [6.5, 20, 0.45, 6, 0.06],
    440_000,
    5,
  ),
  'dense-70b-h100x4': profile(
    'dense-70b-h100x4',
    'Llama-3.3-70B bf16, 4 × H100 80 GB',
    [16, 76, 0.55, 20, 0.04],
    480_000,
    5,
  ),
  'dense-8b-a100': profile(
    'dense-8b-a100',
    'Llama-3.1-8B bf16, 1 × A100 80 GB',
    [11, 65, 1.4, 18, 0.1],
    440_000,
    5,
  ),
  'dense-70b-a100x8': profile(
    'dense-70b-a100x8',
    'Llama-3-70B bf16, 8 × A100 80 GB',
    [20, 95, 0.9, 20, 0.035],
    1_390_000,
    5,
  ),
  'moe-120b-h100x4': profile(
    'moe-120b-h100x4',
    'gpt-oss-120b, 4 × H100 80 GB',
    [5.6, 21, 0.1, 7.4, 0.006],
    3_000_000,
    5,
  ),
  'moe-maverick-h100x8': profile(
    'moe-maverick-h100x8',
    'Llama-4-Maverick FP8, 8 × H100 80 GB',
    [8.6, 28, 0.2, 31, 0.015],
    1_000_000,
    14,
  ),
  instant: {
    ...profile('instant', 'no hardware: for benchmarks of what is in front', [0, 0, 0, 0, 0], 1e12, 0),
    instant: true,
  },
});

/** Coefficients in the order fixed ms, µs per new token, ns per token pair, µs per decoding sequence, µs per resident token. */
type Coefficients = readonly [number, number, number, number, number];

function profile(
  name: string,
  like: string,
  c: Coefficients,
  kvCapacityTokens: number,
  ingestMs: number,
): Profile {
  const [stepFixedMs, usPerNewToken, nsPerTokenPair, usPerDecodeSeq, usPerResidentToken] = c;
  return {
    name,
    like,
    architecture: name.startsWith('moe-') ? 'moe' : 'dense',
    stepFixedMs,
    usPerNewToken,
    nsPerTokenPair,
    usPerDecodeSeq,
    usPerResidentToken,
    kvCapacityTokens,
    maxNumSeqs: NUM_SEQS,
    maxBatchedTokens: BATCHED_TOKENS,
    ingestMs,
  };
}
