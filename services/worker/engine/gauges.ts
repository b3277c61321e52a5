/** What an engine publishes about itself at `/metrics`. */

/** Each null where the engine does not publish it. */
export interface EngineGauges {
  /** Requests that it runs, and that wait inside for that. */
  readonly running: number | null;
  readonly waiting: number | null;
  /** KV cache in use, 0–1. */
  readonly kvUse: number | null;
  /** Tokens the KV cache can hold. */
  readonly kvCapacity: number | null;
}

/** What is beyond that is no reading. */
const MOST = 1e12;

/** vLLM publishes the size of its cache in the labels of an info metric. */
function readCapacity(text: string): number | null {
  const labels = /^vllm:cache_config_info\{([^}]*)\}/m.exec(text)?.[1] ?? '';
  const label = (name: string) => Number(new RegExp(`(?:^|,)${name}="(\\d+)"`).exec(labels)?.[1]);
  const tokens = label('block_size') * label('num_gpu_blocks');
  return tokens > 0 && tokens <= MOST ? tokens : null;
}

/**
 * Gauge names of vLLM, SGLang, llama.cpp, LMDeploy and TGI, by meaning. Several series of one gauge (models, ranks) are added up.
 * llama.cpp's `kv_cache_usage_ratio` is not among them: it counts what idle slots still hold, and never goes down again.
 */
const GAUGES = {
  running: [
    'vllm:num_requests_running',
    'sglang:num_running_reqs',
    'llamacpp:requests_processing',
    'lmdeploy:num_requests_running',
    'tgi_batch_current_size',
  ],
  waiting: [
    'vllm:num_requests_waiting',
    'sglang:num_queue_reqs',
    'llamacpp:requests_deferred',
    'lmdeploy:num_requests_waiting',
    'tgi_queue_size',
  ],
  kvUse: ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc', 'sglang:token_usage'],
  capacity: ['sglang:max_total_num_tokens'],
} as const;

export function readGauges(text: string): EngineGauges | null {
  const values = new Map<string, number[]>();
  for (const line of text.split('\n')) {
    const match = /^([a-z_:]+)(?:\{[^}]*\})? ([0-9.eE+-]+)/.exec(line);
    const value = Number(match?.[2]);
    if (match?.[1] === undefined || !(value >= 0 && value <= MOST)) continue;
    const series = values.get(match[1]);
    if (series === undefined) values.set(match[1], [value]);
    else series.push(value);
  }
  const find = (names: readonly string[]) =>
    names.map(name => values.get(name)).find(series => series !== undefined);
  const sum = (series: number[] | undefined) => series?.reduce((a, b) => a + b, 0) ?? null;
  // A percentage, or anything else above 1, would mean that the cache is always full.
  const kv = find(GAUGES.kvUse)?.filter(share => share >= 0 && share <= 1) ?? [];
  const gauges = {
    running: sum(find(GAUGES.running)),
    waiting: sum(find(GAUGES.waiting)),
    kvUse: kv.length === 0 ? null : Math.max(...kv),
    kvCapacity: readCapacity(text) ?? sum(find(GAUGES.capacity)),
  };
  return gauges.running === null && gauges.kvUse === null ? null : gauges;
}
