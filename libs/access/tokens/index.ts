/** Tokens of an identity provider in place of keys. */
import type { Clock, Logger } from '@penstock/runtime';
import type { z } from 'zod';
import type { tokenSettings } from './settings.ts';
import { TokenVerifier } from './token-verifier.ts';

export { tokenSettings } from './settings.ts';
export { isToken, TokenVerifier } from './token-verifier.ts';

/** Null where no provider is named. @throws Error that names the remedy. */
export async function tokensOf(
  settings: z.infer<z.ZodObject<typeof tokenSettings>>,
  host: { readonly clock: Clock; readonly log: Pick<Logger, 'info' | 'warn'> },
): Promise<TokenVerifier | null> {
  const { PENSTOCK_OIDC_ISSUER: issuer, PENSTOCK_OIDC_AUDIENCE: audience } = settings;
  if (issuer === undefined) return null;
  if (audience === undefined)
    throw new Error(
      'name what tokens of PENSTOCK_OIDC_ISSUER are made for: those for others must not be taken',
    );
  return new TokenVerifier({
    ...{ issuer, audience, ...host },
    jwksUrl: settings.PENSTOCK_OIDC_JWKS ?? null,
    algorithms: settings.PENSTOCK_OIDC_ALGORITHMS,
    toleranceS: settings.PENSTOCK_OIDC_CLOCK_TOLERANCE_S,
    projectClaim: settings.PENSTOCK_OIDC_PROJECT_CLAIM,
    projects: settings.PENSTOCK_OIDC_PROJECTS,
    scopeClaim: settings.PENSTOCK_OIDC_SCOPE_CLAIM ?? null,
  });
}
