import type { Stack } from '../../../testkit/stack.ts';
import type { LlamaServer } from './llama-cpp.ts';

/** The engines of a run, and the stack in front of them. */
export interface TestBed {
  readonly stack: Stack;
  /** Of the model `tiny`; replaced where a check starts one anew. */
  readonly engines: LlamaServer[];
  readonly embedder: LlamaServer;
  /** Starts an engine again that was killed, where it was. */
  restart(index: number): Promise<void>;
}
