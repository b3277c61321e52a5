/** A GPU engine without the GPU. */
export { buildEngine, type SimEngine } from './app.ts';
export type { EngineOptions } from './engine.ts';
export type { EngineStats, RequestRecord } from './ledger.ts';
export { defaultOutputTokens, expectedTokens, promptHash } from './text.ts';
export { PROFILES, type Profile, type StepLoad, stepMs } from './timing.ts';
