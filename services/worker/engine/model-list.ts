/** The engine's answer to `GET /v1/models`. */
import { ARCHITECTURES, type Architecture, architectureOf } from '@penstock/policy';
import { MOST_NAME } from '@penstock/protocol';

export interface EngineModel {
  readonly name: string;
  /** Unix seconds. */
  readonly created: number;
  readonly ownedBy: string;
  /** Null where neither the engine nor the model's name tells. */
  readonly architecture: Architecture | null;
  /** Most tokens of prompt and answer together, where the engine says. */
  readonly maxModelLen?: number;
  /** What it was loaded from, and what it is an adapter of, where the engine says. */
  readonly root?: string;
  readonly parent?: string;
}

/** One entry of an engine's model list; nothing where it has no usable name. */
export function readModel(model: unknown): EngineModel[] {
  if (typeof model !== 'object' || model === null) return [];
  const { id, created, owned_by: owner, architecture, ...more } = model as Record<string, unknown>;
  const name = nameIn(id);
  if (name === null) return [];
  const declared = ARCHITECTURES.find(known => known === architecture);
  // vLLM serves a model under any name; `root` is the one it was loaded from.
  const root = nameIn(more['root']);
  return [
    {
      name,
      created: isTime(created) ? created : 0,
      ownedBy: nameIn(owner) ?? 'penstock',
      architecture: declared ?? architectureOf(root ?? name) ?? architectureOf(name),
      ...told({ maxModelLen: lengthIn(more), root, parent: nameIn(more['parent']) }),
    },
  ];
}

/** Without what the engine does not say. */
function told<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function nameIn(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= MOST_NAME ? value : null;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 1e12;
}

/** vLLM and SGLang: `max_model_len`; llama.cpp: `meta.n_ctx`, or the length it was trained with. */
function lengthIn(model: Record<string, unknown>): number | null {
  const meta = (typeof model['meta'] === 'object' ? model['meta'] : null) as Record<string, unknown> | null;
  const given = [model['max_model_len'], model['context_length'], meta?.['n_ctx'], meta?.['n_ctx_train']];
  return given.find((length): length is number => Number.isSafeInteger(length) && Number(length) > 0) ?? null;
}
