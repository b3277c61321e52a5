/** What a token whose signature is right says of its holder. */
import { hash } from 'node:crypto';
import { isScope, isTenant } from '@penstock/protocol';
import type { Refused } from '../caller.ts';

export interface ClaimRules {
  readonly projectClaim: string;
  /** By values of that claim, `*` for others; null where they are ids themselves. */
  readonly projects: ReadonlyMap<string, string> | null;
  /** Null where tokens have no scopes. */
  readonly scopeClaim: string | null;
}

export interface TokenSays {
  /** Names the holder in logs, without telling who that is. */
  readonly holder: string;
  readonly project: string;
  readonly scopes: readonly string[] | null;
}

export function readClaims(
  claims: Readonly<Record<string, unknown>>,
  rules: ClaimRules,
): TokenSays | Refused {
  const values = wordsIn(claims[rules.projectClaim], /,/);
  const project = projectOf(values, rules.projects);
  if (project === undefined) return { refused: 'no_project' };
  const holder = `oidc_${hash('sha256', `${String(claims['iss'])} ${String(claims['sub'] ?? '')}`).slice(0, 12)}`;
  if (rules.scopeClaim === null) return { holder, project, scopes: null };
  // A token of other scopes than ours was not made for this: an empty list would allow all.
  const scopes = wordsIn(claims[rules.scopeClaim], /\s+/).filter(isScope);
  return scopes.length === 0 ? { refused: 'no_scope' } : { holder, project, scopes };
}

function projectOf(values: readonly string[], projects: ClaimRules['projects']): string | undefined {
  if (projects === null) return values.find(isTenant);
  const known = values.find(value => value !== '*' && projects.has(value));
  return projects.get(known ?? '*');
}

function wordsIn(claim: unknown, between: RegExp): string[] {
  if (Array.isArray(claim)) return claim.filter(each => typeof each === 'string');
  if (typeof claim !== 'string') return [];
  return claim
    .split(between)
    .map(each => each.trim())
    .filter(each => each !== '');
}
