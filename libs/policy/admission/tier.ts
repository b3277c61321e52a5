/** From OpenAI's `service_tier` to a lane, and the tier that is named in the answer. */

export type UsedTier = 'priority' | 'default' | 'flex';

export interface TierDecision {
  readonly lane: 'interactive' | 'background' | 'batch';
  /** What the work is run as: `fast` and `ultrafast` are other names of `priority`, `auto` and `scale` of `default`. */
  readonly used: UsedTier;
}

/**
 * Clients that hold their connection go before those that poll; a tier moves work one lane up or down. No lane is above
 * interactive, so there `priority` is the same as `default`.
 * @param tier a checked `service_tier` (libs/protocol has the list), or null; values not listed here count as `default`.
 * @param waits whether the client holds its connection for the answer.
 */
export function decideTier(tier: string | null, waits: boolean): TierDecision {
  switch (tier) {
    case 'priority':
    case 'fast':
    case 'ultrafast':
      return { lane: 'interactive', used: 'priority' };
    case 'flex':
      return { lane: waits ? 'background' : 'batch', used: 'flex' };
    default:
      return { lane: waits ? 'interactive' : 'background', used: 'default' };
  }
}
