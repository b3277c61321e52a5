/** A simulated inference engine: behaves like vLLM on a GPU, and needs none. */
export { buildEngine, type SimEngine } from './api/server.ts';
export { PROFILES, type Profile, type StepLoad, stepMs } from './batching/timing.ts';
export type { EngineOptions } from './engine/engine.ts';
export type { EngineStats, RequestRecord } from './engine/ledger.ts';
export { defaultOutputTokens, expectedTokens, promptHash } from './model/text.ts';
