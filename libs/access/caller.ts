/** Who asks: what a valid key stands for. */
import type { ProjectLimits } from '@penstock/protocol';
import type { Permissions } from './permissions.ts';

export interface Caller {
  /** Id of the project, which scopes everything a client can name: the `tenant` of requests and records. */
  readonly project: string;
  /** Id of the key, for logs; of a token `oidc_` and what its holder is known by; of one in `PENSTOCK_API_KEYS`, the same as its project's. */
  readonly key: string;
  readonly permissions: Permissions;
  /** Those of the project; empty where it has none. */
  readonly limits: ProjectLimits;
  /** Of the project; see {@link Project.weight}. */
  readonly weight: number;
}

/** An operator: may administer, and nothing else. */
export interface Admin {
  /** Id of the key, for logs. */
  readonly key: string;
}

/** Why a key is not valid: a label of `penstock_refused_keys_total`. `no_pepper`: it was made under one that this process has not. */
export const REFUSALS = [
  'archived',
  'bad_token',
  'expired',
  'malformed',
  'missing',
  'mistyped',
  'no_pepper',
  'no_project',
  'no_scope',
  'unknown',
  'wrong_kind',
] as const;
export type Refusal = (typeof REFUSALS)[number];

export interface Refused {
  readonly refused: Refusal;
}

export function isRefused<T extends object>(verdict: T | Refused): verdict is Refused {
  return 'refused' in verdict;
}
