import assert from 'node:assert/strict';
import { test } from 'node:test';
import { architectureOf, defaultAffinity } from './architecture.ts';

test('names that say mixture of experts, and names that do not', () => {
  const moe = [
    'mistralai/Mixtral-8x7B-Instruct-v0.1',
    'Qwen/Qwen3-30B-A3B',
    'Qwen/Qwen3-235B-A22B-Instruct-2507-FP8',
    'openai/gpt-oss-120b',
    'deepseek-ai/DeepSeek-V3.1',
    'deepseek-ai/DeepSeek-R1-0528',
    'meta-llama/Llama-4-Maverick-17B-128E-Instruct',
    'Qwen1.5-MoE-A2.7B',
    'moonshotai/Kimi-K2-Instruct',
  ];
  for (const name of moe) assert.equal(architectureOf(name), 'moe', name);
  const others = ['meta-llama/Llama-3.3-70B-Instruct', 'Qwen/Qwen3-32B', 'sim-chat', 'moelle', 'data3b', ''];
  for (const name of others) assert.equal(architectureOf(name), null, name);
  assert.equal(architectureOf('deepseek-ai/DeepSeek-R1-Distill-Llama-70B'), 'dense');
});

test('dense and unknown models keep prefixes together, experts are spread evenly', () => {
  assert.equal(defaultAffinity('dense'), 'prefix');
  assert.equal(defaultAffinity(null), 'prefix');
  assert.equal(defaultAffinity('moe'), 'none');
});
