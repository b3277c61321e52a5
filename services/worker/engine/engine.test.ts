import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readGauges, readModel } from './engine.ts';

test("vLLM's gauges, several series of one added up", () => {
  const text =
    '# TYPE vllm:num_requests_running gauge\n' +
    'vllm:num_requests_running{model_name="a"} 3.0\nvllm:num_requests_running{model_name="b"} 4.0\n' +
    'vllm:num_requests_waiting{model_name="a"} 2.0\nvllm:kv_cache_usage_perc{model_name="a"} 0.25\n' +
    'vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="30000"} 1.0\n';
  assert.deepEqual(readGauges(text), { running: 7, kvUse: 0.25, kvCapacity: 480_000 });
});

test("SGLang's gauges", () => {
  const text =
    'sglang:num_running_reqs{model_name="a"} 5.0\nsglang:num_queue_reqs{model_name="a"} 1.0\nsglang:token_usage{model_name="a"} 0.5\n' +
    'sglang:max_total_num_tokens{model_name="a"} 440000.0\n';
  assert.deepEqual(readGauges(text), { running: 5, kvUse: 0.5, kvCapacity: 440_000 });
});

test("llama.cpp's gauges, and not the one of older ones that counts what idle slots remember", () => {
  const text =
    '# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n';
  assert.deepEqual(readGauges(text), { running: 2, kvUse: null, kvCapacity: null });
  assert.equal(readGauges(`${text}llamacpp:kv_cache_usage_ratio 0.25\n`)?.kvUse, null);
});

test('a share of the cache that can be none is not heard', () => {
  const text = (share: string) => `vllm:num_requests_running 1\nvllm:kv_cache_usage_perc ${share}\n`;
  for (const share of ['35', '-1', '1e999', 'NaN']) assert.equal(readGauges(text(share))?.kvUse, null);
  assert.equal(readGauges(text('1.0'))?.kvUse, 1);
});

test('metrics of something else say nothing', () => {
  assert.equal(readGauges('process_cpu_seconds_total 12\n'), null);
});

test('a model tells its architecture, or the name it was loaded by does', () => {
  const architecture = (model: object) => readModel(model)[0]?.architecture;
  assert.equal(architecture({ id: 'm', architecture: 'moe' }), 'moe');
  assert.equal(architecture({ id: 'Mixtral-8x7B', architecture: 'dense' }), 'dense');
  assert.equal(architecture({ id: 'chat', root: 'Qwen/Qwen3-30B-A3B' }), 'moe');
  assert.equal(architecture({ id: 'chat', root: '/models/snapshot' }), null);
  assert.equal(architecture({ id: 'm', architecture: 7 }), null);
  for (const bad of [null, 'm', {}, { id: 7 }, { id: 'x'.repeat(300) }]) assert.deepEqual(readModel(bad), []);
});
