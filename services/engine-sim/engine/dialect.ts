/** Whose metrics and settings the engine shows. `silent`: none, as a plain OpenAI-compatible server. */
export const DIALECTS = ['vllm', 'sglang', 'llamacpp', 'tgi', 'silent'] as const;
export type Dialect = (typeof DIALECTS)[number];
