/** `/metrics` under vLLM's names, as far as dispatchers read them. */
import type { EngineState } from '../engine/engine.ts';

export function renderMetrics(engine: EngineState): string {
  const { ledger } = engine;
  const label = `{model_name="${(engine.models[0] ?? '').replace(/[\\"\n]/g, '_')}"}`;
  const queried = engine.profile.instant ? 0 : ledger.promptTokens;
  const series: readonly [name: string, type: 'gauge' | 'counter', help: string, value: number][] = [
    ['num_requests_running', 'gauge', 'Requests in the running batch.', engine.running],
    ['num_requests_waiting', 'gauge', 'Requests waiting to be scheduled.', engine.waiting],
    ['kv_cache_usage_perc', 'gauge', 'KV cache in use; 1 is 100 percent.', engine.kvUse],
    ['prompt_tokens_total', 'counter', 'Prompt tokens of finished requests.', ledger.promptTokens],
    ['generation_tokens_total', 'counter', 'Tokens generated.', ledger.generationTokens],
    ['prefix_cache_queries_total', 'counter', 'Prompt tokens looked up in the prefix cache.', queried],
    ['prefix_cache_hits_total', 'counter', 'Prompt tokens found in the prefix cache.', ledger.cachedTokens],
  ];
  const blocks = Math.floor(engine.profile.kvCapacityTokens / engine.blockTokens);
  const cache = `vllm:cache_config_info{block_size="${engine.blockTokens}",num_gpu_blocks="${blocks}"} 1\n`;
  const info = `# HELP vllm:cache_config_info Size of the KV cache.\n# TYPE vllm:cache_config_info gauge\n${cache}`;
  const values = series
    .map(([name, type, help, value]) => {
      const full = `vllm:${name}`;
      return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${full}${label} ${value}\n`;
    })
    .join('');
  return values + info;
}
