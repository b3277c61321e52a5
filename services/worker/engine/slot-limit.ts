/** Requests that an engine runs at once by its own configuration, where it tells. */
import { MOST_SLOTS } from '@penstock/protocol';

/** Where engines tell it: llama.cpp, SGLang, vLLM in its development mode. */
export const SLOT_LIMIT_PATHS = ['/props', '/get_server_info', '/server_info?config_format=json'] as const;

/** @param answer to one of {@link SLOT_LIMIT_PATHS}. Null where it does not tell. */
export function readSlotLimit(answer: unknown): number | null {
  const { total_slots: slots, max_running_requests: most, internal_states: states } = fieldsOf(answer);
  const { scheduler_config: scheduler, parallel_config: parallel } = fieldsOf(
    fieldsOf(answer)['vllm_config'],
  );
  const ranks = positive(fieldsOf(parallel)['data_parallel_size']) ?? 1;
  const sequences = positive(fieldsOf(scheduler)['max_num_seqs']);
  return (
    positive(slots) ??
    sglangLimit(states) ??
    positive(most) ??
    (sequences === null ? null : sequences * ranks)
  );
}

/** Each rank tells its own: what its memory left of what was configured. */
function sglangLimit(states: unknown): number | null {
  if (!Array.isArray(states)) return null;
  const limits = states.map(state => positive(fieldsOf(state)['effective_max_running_requests_per_dp']));
  return limits.reduce<number | null>((sum, limit) => (limit === null ? sum : (sum ?? 0) + limit), null);
}

function positive(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MOST_SLOTS
    ? value
    : null;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
