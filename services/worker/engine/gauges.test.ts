import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readGauges } from './gauges.ts';

test("vLLM's gauges: several series of one are added up", () => {
  const text =
    '# TYPE vllm:num_requests_running gauge\n' +
    'vllm:num_requests_running{model_name="a"} 3.0\nvllm:num_requests_running{model_name="b"} 4.0\n' +
    'vllm:num_requests_waiting{model_name="a"} 2.0\nvllm:kv_cache_usage_perc{model_name="a"} 0.25\n' +
    'vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="30000"} 1.0\n';
  assert.deepEqual(readGauges(text), { running: 7, waiting: 2, kvUse: 0.25, kvCapacity: 480_000 });
});

test("SGLang's gauges", () => {
  const text =
    'sglang:num_running_reqs{model_name="a"} 5.0\nsglang:num_queue_reqs{model_name="a"} 1.0\nsglang:token_usage{model_name="a"} 0.5\n' +
    'sglang:max_total_num_tokens{model_name="a"} 440000.0\n';
  assert.deepEqual(readGauges(text), { running: 5, waiting: 1, kvUse: 0.5, kvCapacity: 440_000 });
});

test("llama.cpp's gauges, without the one of older versions that counts what idle slots hold", () => {
  const text =
    '# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n';
  assert.deepEqual(readGauges(text), { running: 2, waiting: 1, kvUse: null, kvCapacity: null });
  assert.equal(readGauges(`${text}llamacpp:kv_cache_usage_ratio 0.25\n`)?.kvUse, null);
});

test("TGI's and LMDeploy's gauges", () => {
  const none = { kvUse: null, kvCapacity: null };
  assert.deepEqual(readGauges('tgi_batch_current_size 8\ntgi_queue_size 3\n'), {
    running: 8,
    waiting: 3,
    ...none,
  });
  const text =
    'lmdeploy:num_requests_running{model_name="a"} 2.0\nlmdeploy:num_requests_waiting{model_name="a"} 0.0\n';
  assert.deepEqual(readGauges(text), { running: 2, waiting: 0, ...none });
});

test('a share of the cache that is outside 0 to 1 is ignored', () => {
  const text = (share: string) => `vllm:num_requests_running 1\nvllm:kv_cache_usage_perc ${share}\n`;
  for (const share of ['35', '-1', '1e999', 'NaN']) assert.equal(readGauges(text(share))?.kvUse, null);
  assert.equal(readGauges(text('1.0'))?.kvUse, 1);
});

test('metrics of anything else are no gauges', () => {
  assert.equal(readGauges('process_cpu_seconds_total 12\n'), null);
});

test('a number that is none, or no reading, is ignored', () => {
  for (const odd of ['NaN', '-1', '1e999', '1e308', '9'.repeat(400), '1e9e9', '.', '-'])
    assert.equal(readGauges(`vllm:num_requests_running ${odd}\n`), null, odd);
  const labels = `block_size="16",num_gpu_blocks="${'9'.repeat(400)}"`;
  const text = `vllm:num_requests_running 1\nvllm:cache_config_info{${labels}} 1.0\n`;
  assert.equal(readGauges(text)?.kvCapacity, null);
});
