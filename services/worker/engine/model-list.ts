/** The engine's answer to `GET /v1/models`. */
import { ARCHITECTURES, type Architecture, architectureOf } from '@penstock/policy';

const MAX_NAME = 256;

export interface EngineModel {
  readonly name: string;
  /** Unix seconds. */
  readonly created: number;
  readonly ownedBy: string;
  /** Null where neither the engine nor the model's name tells. */
  readonly architecture: Architecture | null;
}

/** One entry of an engine's model list; nothing where it has no usable name. */
export function readModel(model: unknown): EngineModel[] {
  if (typeof model !== 'object' || model === null) return [];
  const { id: name, created, owned_by: owner, architecture, root } = model as Record<string, unknown>;
  if (typeof name !== 'string' || name.length > MAX_NAME) return [];
  const declared = ARCHITECTURES.find(known => known === architecture);
  // vLLM serves a model under any name; `root` is the one it was loaded from.
  const loaded = typeof root === 'string' && root.length <= MAX_NAME ? root : name;
  return [
    {
      name,
      created: typeof created === 'number' ? created : 0,
      ownedBy: typeof owner === 'string' ? owner : 'penstock',
      architecture: declared ?? architectureOf(loaded) ?? architectureOf(name),
    },
  ];
}
