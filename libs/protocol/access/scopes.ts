/**
 * What a key may be used for, as a list of words: resources (`chat`, `files`), models (`model:llama-70b`, `model:llama-*`), and the highest tier
 * (`tier:default`). Of each kind of which a list has none, all is allowed.
 */
import { ENDPOINTS } from '../wire/endpoints.ts';

/** Routes that are no endpoint of engines. */
const RESOURCES = ['responses', 'conversations', 'files', 'batches', 'webhooks'] as const;
export type Use = (typeof ENDPOINTS)[number] | (typeof RESOURCES)[number];
export const USES: readonly Use[] = [...ENDPOINTS, ...RESOURCES];

/** Lowest first. */
export const TIERS = ['flex', 'default', 'priority'] as const;
export type Tier = (typeof TIERS)[number];

export const MODEL_SCOPE = 'model:';
export const TIER_SCOPE = 'tier:';
export const SCOPE_USAGE = `use ${USES.join(', ')}, model:NAME, model:PREFIX*, ${TIERS.map(tier => `tier:${tier}`).join(', ')}`;

export function isScope(text: string): boolean {
  if (text.startsWith(MODEL_SCOPE)) return text.length > MODEL_SCOPE.length && text.length <= 512;
  if (text.startsWith(TIER_SCOPE)) return TIERS.some(tier => text === TIER_SCOPE + tier);
  return USES.some(use => use === text);
}
