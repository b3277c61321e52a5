import type { ChatChunk } from '../engine/chat-chunk.ts';
import { ChunkReader } from './chunk-reader.ts';
import { type Completion, CompletionBuilder } from './completion-builder.ts';

type Choice = NonNullable<Completion['choices']>[number] & { readonly index: number };

/** Assembles all choices of a chat stream into those that the engine would have sent without `stream`. */
export class ChoicesBuilder {
  readonly #choices = new Map<number, { reader: ChunkReader; builder: CompletionBuilder }>();

  /** @throws where the chunk's parts have other types than the API's. */
  add(chunk: Pick<ChatChunk, 'choices'>): void {
    for (const choice of chunk.choices ?? []) {
      const index = Number((choice as { index?: number }).index ?? 0);
      const { reader, builder } = this.#choices.get(index) ?? {
        reader: new ChunkReader(),
        builder: new CompletionBuilder(),
      };
      this.#choices.set(index, { reader, builder });
      for (const op of reader.read({ choices: [choice] })) builder.add(op);
    }
  }

  /** In the order of their numbers. */
  get choices(): Choice[] {
    return [...this.#choices]
      .map(([index, { builder }]) => ({ ...builder.completion.choices?.[0], index }))
      .sort((one, other) => one.index - other.index);
  }
}
