import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSlotLimit } from './slot-limit.ts';

test("llama.cpp's slots", () => {
  assert.equal(readSlotLimit({ total_slots: 4, model_path: 'a.gguf' }), 4);
});

test("SGLang's limit: what memory left of it, else what was configured", () => {
  const states = [
    { effective_max_running_requests_per_dp: 48 },
    { effective_max_running_requests_per_dp: 48 },
  ];
  assert.equal(readSlotLimit({ max_running_requests: 200, internal_states: states }), 96);
  assert.equal(readSlotLimit({ max_running_requests: 200, internal_states: [{}] }), 200);
  assert.equal(readSlotLimit({ max_running_requests: null }), null);
});

test("vLLM's limit, of all data-parallel ranks", () => {
  const config = { scheduler_config: { max_num_seqs: 256 }, parallel_config: { data_parallel_size: 2 } };
  assert.equal(readSlotLimit({ vllm_config: config }), 512);
  assert.equal(readSlotLimit({ vllm_config: { scheduler_config: { max_num_seqs: 8 } } }), 8);
});

test('anything else tells no limit', () => {
  for (const answer of [
    null,
    [],
    'x',
    {},
    { total_slots: 0 },
    { total_slots: '4' },
    { max_running_requests: 1.5 },
  ])
    assert.equal(readSlotLimit(answer), null);
});
