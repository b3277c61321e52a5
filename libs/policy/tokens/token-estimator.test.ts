import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRIOR_RATES, type PromptUnits } from './prompt-rates.ts';
import { TokenEstimator } from './token-estimator.ts';

type Kind = keyof typeof PRIOR_RATES;
type Rates = Readonly<Record<Kind, number>>;

const NOTHING = Object.fromEntries(
  [...Object.keys(PRIOR_RATES), 'ids'].map(kind => [kind, 0]),
) as unknown as PromptUnits;
const units = (some: Partial<PromptUnits>): PromptUnits => ({ ...NOTHING, ...some });

/** Mulberry32: the same numbers on every machine. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What 1,000 characters of some texts consist of. */
const TEXTS: readonly Partial<PromptUnits>[] = [
  { letters: 810, symbols: 25, digits: 5 },
  { letters: 680, symbols: 160, digits: 10, repeated: 40 },
  { cjk: 940, symbols: 20, digits: 20 },
  { alphabet: 830, symbols: 30 },
  { dense: 1000 },
  { letters: 520, digits: 270, symbols: 130 },
];

/** A chat of one to four texts, with tools and an image now and then. */
function mix(rand: () => number): PromptUnits {
  const sum: Record<string, number> = { ...NOTHING, messages: 1 + Math.floor(rand() * 8) };
  for (let i = 0; i <= rand() * 4; i++) {
    const length = rand() * 10;
    for (const [kind, share] of Object.entries(TEXTS[Math.floor(rand() * TEXTS.length)] ?? {}))
      sum[kind] = (sum[kind] ?? 0) + share * length;
  }
  if (rand() < 0.2) Object.assign(sum, { fields: 200, letters: (sum['letters'] ?? 0) + 2000 });
  if (rand() < 0.2) sum['mediumImages'] = 1;
  return sum as unknown as PromptUnits;
}

function tokensOf(prompt: PromptUnits, rates: Rates, noise = 1): number {
  let tokens = prompt.ids;
  for (const [kind, rate] of Object.entries(rates)) tokens += prompt[kind as Kind] * rate;
  return Math.max(1, Math.round(tokens * noise));
}

/** A byte-level vocabulary of English, as engines had three years ago, and one of few but long tokens. */
const BYTES: Rates = {
  ...{
    ...PRIOR_RATES,
    letters: 0.3,
    alphabet: 0.9,
    abugida: 1.2,
    cjk: 2.2,
    digits: 1.1,
    symbols: 0.8,
    dense: 0.9,
  },
  ...{ messages: 6, mediumImages: 576 },
};
const LONG: Rates = {
  ...{
    ...PRIOR_RATES,
    letters: 0.16,
    alphabet: 0.2,
    abugida: 0.3,
    cjk: 0.45,
    digits: 0.35,
    symbols: 0.3,
    dense: 0.5,
  },
  ...{ messages: 3, mediumImages: 2800 },
};

/** Median and 90th percentile of how many times too much or too little is estimated. */
function errors(estimator: TokenEstimator, model: string, rates: Rates): { median: number; high: number } {
  const rand = random(99);
  const off = Array.from({ length: 200 }, () => {
    const prompt = mix(rand);
    const ratio = estimator.estimate(model, prompt) / tokensOf(prompt, rates);
    return Math.max(ratio, 1 / ratio);
  }).sort((a, b) => a - b);
  return { median: off[100] ?? 0, high: off[180] ?? 0 };
}

function teach(estimator: TokenEstimator, model: string, rates: Rates, answers: number, seed = 1): void {
  const rand = random(seed);
  for (let i = 0; i < answers; i++) {
    const prompt = mix(rand);
    estimator.learn(model, prompt, tokensOf(prompt, rates, 0.9 + 0.2 * rand()));
  }
}

test('an empty prompt has no tokens, and each token id is one', () => {
  const estimator = new TokenEstimator();
  assert.equal(estimator.estimate('m', NOTHING), 0);
  assert.equal(estimator.estimate('m', units({ ids: 3000 })), 3000);
  estimator.learn('m', units({ ids: 3000, letters: 400 }), 9000);
  assert.equal(estimator.estimate('m', units({ ids: 3000 })), 3000);
});

test('the first estimates are those of common tokenizers', () => {
  const estimator = new TokenEstimator();
  const per = (some: Partial<PromptUnits>) => 1000 / estimator.estimate('m', units(some));
  const close = (measured: number, estimated: number) =>
    assert.ok(Math.abs(estimated / measured - 1) < 0.3, `${estimated} for ${measured}`);
  // Characters per token: English, TypeScript, Chinese, Russian, base64 and logs, between o200k_base and Qwen 3.
  for (const [i, measured] of [5.1, 4.0, 1.4, 3.6, 1.45, 2.1].entries()) close(measured, per(TEXTS[i] ?? {}));
});

test('the tokenizers of two models are learned side by side, from mixed prompts', () => {
  const estimator = new TokenEstimator();
  for (const [model, rates] of Object.entries({ bytes: BYTES, long: LONG })) {
    assert.ok(errors(estimator, model, rates).median > 1.4);
    teach(estimator, model, rates, 20);
    assert.ok(errors(estimator, model, rates).median < 1.15);
    teach(estimator, model, rates, 200, 2);
  }
  for (const [model, rates] of Object.entries({ bytes: BYTES, long: LONG })) {
    const { median, high } = errors(estimator, model, rates);
    assert.ok(median < 1.05 && high < 1.12, `${model}: ${median} ${high}`);
  }
});

test('one answer says much of the kind of text that it is about, and nothing of others', () => {
  const estimator = new TokenEstimator();
  const chinese = units({ cjk: 4000, messages: 1 });
  const english = units({ letters: 4000, messages: 1 });
  const before = estimator.estimate('m', english);
  for (let i = 0; i < 3; i++) estimator.learn('m', chinese, 8000);
  assert.ok(Math.abs(estimator.estimate('m', chinese) / 8000 - 1) < 0.1);
  assert.ok(Math.abs(estimator.estimate('m', english) / before - 1) < 0.01);
});

test('what no tokenizer can have counted changes nothing', () => {
  const estimator = new TokenEstimator();
  teach(estimator, 'm', LONG, 50);
  const prompt = units({ letters: 4000, cjk: 500, messages: 3 });
  const before = estimator.estimate('m', prompt);
  for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, 999_999_999])
    assert.equal(estimator.learn('m', prompt, wrong), false, `${wrong}`);
  assert.equal(estimator.learn('m', NOTHING, 7), false);
  assert.equal(estimator.estimate('m', prompt), before);
});

test('engines that are wrong now and then by a factor of ten do little harm', () => {
  const estimator = new TokenEstimator();
  teach(estimator, 'm', BYTES, 100);
  const rand = random(5);
  for (let i = 0; i < 300; i++) {
    const prompt = mix(rand);
    const noise = rand() < 0.05 ? (rand() < 0.5 ? 10 : 0.1) : 0.9 + 0.2 * rand();
    estimator.learn('m', prompt, tokensOf(prompt, BYTES, noise));
  }
  const { median, high } = errors(estimator, 'm', BYTES);
  assert.ok(median < 1.1 && high < 1.25, `${median} ${high}`);
});

test('a name that gets another tokenizer is learned anew', () => {
  const estimator = new TokenEstimator();
  teach(estimator, 'm', BYTES, 300);
  teach(estimator, 'm', LONG, 100, 2);
  const { median, high } = errors(estimator, 'm', LONG);
  assert.ok(median < 1.05 && high < 1.15, `${median} ${high}`);
});

test('a hundred thousand answers of one kind leave the estimate where it belongs, and the rest finite', () => {
  const estimator = new TokenEstimator();
  const rand = random(3);
  const prompt = units({ letters: 4000, symbols: 1, messages: 2 });
  for (let i = 0; i < 1e5; i++) estimator.learn('m', prompt, Math.round(1000 * (0.8 + 0.4 * rand())));
  assert.ok(Math.abs(estimator.estimate('m', prompt) / 1000 - 1) < 0.15);
  for (const kind of Object.keys(PRIOR_RATES) as Kind[]) {
    const tokens = estimator.estimate('m', units({ [kind]: 1000 }));
    assert.ok(tokens > 0 && tokens <= 16_001 * PRIOR_RATES[kind], `${kind} ${tokens}`);
  }
});

test('of many models those heard of last are remembered', () => {
  const estimator = new TokenEstimator();
  const prompt = units({ cjk: 4000, messages: 1 });
  const unknown = estimator.estimate('?', prompt);
  for (let i = 0; i < 600; i++) {
    estimator.learn(`m${i}`, prompt, 8000);
    estimator.learn('always', prompt, 8000);
  }
  assert.equal(estimator.estimate('m0', prompt), unknown);
  assert.notEqual(estimator.estimate('m599', prompt), unknown);
  assert.notEqual(estimator.estimate('always', prompt), unknown);
});
