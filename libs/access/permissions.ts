/** What a caller may ask for: the scopes of its key within what its project may use. */
import {
  ENDPOINT_TABLE,
  ENDPOINTS,
  MODEL_SCOPE,
  type Project,
  TIER_SCOPE,
  TIERS,
  type Tier,
  USES,
  type Use,
} from '@penstock/protocol';

export interface Permissions {
  /** Of the key, see libs/protocol/access/scopes.ts; null for all that the project may do. */
  readonly scopes: readonly string[] | null;
  /** Of the project; null for all. */
  readonly models: Project['models'];
}

export const UNRESTRICTED: Permissions = { scopes: null, models: null };

/** Resources by the beginning of their paths, longest first where one begins another. */
const PATHS: readonly (readonly [path: string, use: Use])[] = [
  ...ENDPOINTS.flatMap(name => ENDPOINT_TABLE[name].paths.map(path => [path, scopeOf(name)] as const)),
  ['/v1/responses', 'responses'] as const,
  ['/v1/conversations', 'conversations'] as const,
  ['/v1/files', 'files'] as const,
  ['/v1/batches', 'batches'] as const,
  ['/v1/webhook_endpoints', 'webhooks'] as const,
].sort(([a], [b]) => b.length - a.length);

/** Who may send messages may have them counted first. */
function scopeOf(endpoint: (typeof ENDPOINTS)[number]): Use {
  return endpoint === 'messageTokens' ? 'messages' : endpoint;
}

/** What a route is the use of; null for those that every key may use. @param path of the route, as `/v1/files/:id`. */
export function useOf(path: string): Use | null {
  return PATHS.find(([each]) => path === each || path.startsWith(`${each}/`))?.[1] ?? null;
}

export function mayUse({ scopes }: Pick<Permissions, 'scopes'>, use: Use): boolean {
  if (scopes === null) return true;
  const uses = scopes.filter(scope => USES.some(each => each === scope));
  return uses.length === 0 || uses.includes(use);
}

export function mayHaveTier({ scopes }: Pick<Permissions, 'scopes'>, tier: Tier): boolean {
  const highest = scopes?.find(scope => scope.startsWith(TIER_SCOPE))?.slice(TIER_SCOPE.length);
  return highest === undefined || TIERS.indexOf(tier) <= TIERS.indexOf(highest as Tier);
}

/**
 * @param served name of the model that would serve the request, whatever the client called it: a fallback has to be allowed itself.
 * @param targetOf the model that a name stands for: lists may name aliases.
 */
export function mayAsk(
  { scopes, models }: Permissions,
  served: string,
  targetOf: (name: string) => string,
): boolean {
  if (scopes === null && models === null) return true;
  const isMeant = (entry: string) =>
    entry.endsWith('*') ? served.startsWith(entry.slice(0, -1)) : targetOf(entry) === served;
  const named = scopes?.filter(scope => scope.startsWith(MODEL_SCOPE)) ?? [];
  if (named.length > 0 && !named.some(scope => isMeant(scope.slice(MODEL_SCOPE.length)))) return false;
  return models === null || models.names.some(isMeant) === (models.mode === 'allow_list');
}
