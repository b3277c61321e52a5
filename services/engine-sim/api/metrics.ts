/** What the engine tells of itself: `/metrics` and its own limit, in the words of several engines, as far as dispatchers read them. */
import type { EngineState } from '../engine/engine.ts';

/** Null where there are none. */
export function renderMetrics(engine: EngineState): string | null {
  const { running, waiting } = engine;
  switch (engine.dialect) {
    case 'vllm':
      return renderVllm(engine);
    case 'sglang':
      return renderSeries('sglang:', labelOf(engine), [
        ['num_running_reqs', 'gauge', 'The number of running requests.', running],
        ['num_queue_reqs', 'gauge', 'The number of requests in the waiting queue.', waiting],
        ['token_usage', 'gauge', 'The token usage.', engine.kvUse],
        ['max_total_num_tokens', 'gauge', 'Tokens of the KV cache.', engine.profile.kvCapacityTokens],
      ]);
    case 'llamacpp':
      return renderSeries('llamacpp:', '', [
        ['requests_processing', 'gauge', 'Number of requests processing.', running],
        ['requests_deferred', 'gauge', 'Number of requests deferred.', waiting],
      ]);
    case 'tgi':
      return renderSeries('tgi_', '', [
        ['batch_current_size', 'gauge', 'Current batch size.', running],
        ['queue_size', 'gauge', 'Current queue size.', waiting],
      ]);
    case 'silent':
      return null;
  }
}

/** The engine's own limit of requests at once, as an answer of one of its routes. @param path without a query. */
export function tellLimit({ dialect, profile }: EngineState, path: string): object | null {
  if (dialect === 'llamacpp' && path === '/props') return { total_slots: profile.maxNumSeqs };
  if (dialect === 'sglang' && path === '/get_server_info')
    return { max_running_requests: profile.maxNumSeqs };
  return null;
}

type Series = readonly [name: string, type: 'gauge' | 'counter', help: string, value: number];

function labelOf(engine: EngineState): string {
  return `{model_name="${(engine.models[0] ?? '').replace(/[\\"\n]/g, '_')}"}`;
}

function renderSeries(prefix: string, label: string, series: readonly Series[]): string {
  return series
    .map(([name, type, help, value]) => {
      const full = `${prefix}${name}`;
      return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${full}${label} ${value}\n`;
    })
    .join('');
}

function renderVllm(engine: EngineState): string {
  const { ledger } = engine;
  const queried = engine.profile.instant ? 0 : ledger.promptTokens;
  const values = renderSeries('vllm:', labelOf(engine), [
    ['num_requests_running', 'gauge', 'Requests in the running batch.', engine.running],
    ['num_requests_waiting', 'gauge', 'Requests waiting to be scheduled.', engine.waiting],
    ['kv_cache_usage_perc', 'gauge', 'KV cache in use; 1 is 100 percent.', engine.kvUse],
    ['prompt_tokens_total', 'counter', 'Prompt tokens of finished requests.', ledger.promptTokens],
    ['generation_tokens_total', 'counter', 'Tokens generated.', ledger.generationTokens],
    ['prefix_cache_queries_total', 'counter', 'Prompt tokens looked up in the prefix cache.', queried],
    ['prefix_cache_hits_total', 'counter', 'Prompt tokens found in the prefix cache.', ledger.cachedTokens],
  ]);
  const blocks = Math.floor(engine.profile.kvCapacityTokens / engine.blockTokens);
  const cache = `vllm:cache_config_info{block_size="${engine.blockTokens}",num_gpu_blocks="${blocks}"} 1\n`;
  const info = `# HELP vllm:cache_config_info Size of the KV cache.\n# TYPE vllm:cache_config_info gauge\n${cache}`;
  return values + info;
}
