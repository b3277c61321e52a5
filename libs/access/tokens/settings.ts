/** Tokens of an identity provider in place of keys. */
import { isTenant, TENANT_RULE } from '@penstock/protocol';
import { partsIn, settingOf } from '@penstock/runtime';
import { z } from 'zod';

/** With a key of two halves: with a shared secret, whoever can check a token can make one. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

function readAlgorithms(text: string): readonly string[] {
  const names = partsIn(text);
  if (names.length === 0 || names.some(name => !ALGORITHMS.includes(name)))
    throw new TypeError(`use some of ${ALGORITHMS.join(', ')}, comma-separated`);
  return names;
}

/** `value=project,…`; `*` for any other value. Null where the claim has the id itself. */
function readProjects(text: string): ReadonlyMap<string, string> | null {
  const pairs = partsIn(text).map(part => {
    const at = part.lastIndexOf('=');
    return [part.slice(0, at).trim(), part.slice(at + 1).trim()] as const;
  });
  if (pairs.some(([value, project]) => value === '' || !isTenant(project)))
    throw new TypeError(`use value=project, comma-separated; a project is ${TENANT_RULE}`);
  return pairs.length === 0 ? null : new Map(pairs);
}

const url = z.url({ protocol: /^https?$/, error: 'give an https URL' });

export const tokenSettings = {
  PENSTOCK_OIDC_ISSUER: url
    .optional()
    .describe(
      'Identity provider whose tokens (JWT) are taken in place of API keys, as `iss` names it; off if absent.',
    ),
  PENSTOCK_OIDC_AUDIENCE: z
    .string()
    .min(1)
    .optional()
    .describe('What its tokens have to name as `aud`; required with PENSTOCK_OIDC_ISSUER.'),
  PENSTOCK_OIDC_JWKS: url
    .optional()
    .describe('Where its keys are; found at `/.well-known/openid-configuration` of the issuer if absent.'),
  PENSTOCK_OIDC_ALGORITHMS: settingOf(readAlgorithms)
    .prefault('RS256,PS256,ES256,EdDSA')
    .describe('Signatures that are accepted, comma-separated; asymmetric ones only.'),
  PENSTOCK_OIDC_CLOCK_TOLERANCE_S: z.coerce
    .number()
    .int()
    .min(0)
    .max(300)
    .default(30)
    .describe('How far the clocks of the provider and of this region may be apart, s.'),
  PENSTOCK_OIDC_PROJECT_CLAIM: z
    .string()
    .min(1)
    .default('penstock_project')
    .describe(
      'Claim that says the project: its id, or what PENSTOCK_OIDC_PROJECTS knows; of a list the first that is known.',
    ),
  PENSTOCK_OIDC_PROJECTS: settingOf(readProjects)
    .prefault('')
    .describe(
      'Projects by values of that claim, as `group=proj_…`, comma-separated; `*=` for all other values.',
    ),
  PENSTOCK_OIDC_SCOPE_CLAIM: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Claim with scopes (docs/keys.md), as a list or separated by blanks; a token without one of them is refused. If absent, tokens may what their project may.',
    ),
};
