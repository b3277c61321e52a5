/** From OpenAI's `service_tier` to a lane, and the tier that is named in the answer. */

export type UsedTier = 'priority' | 'default' | 'flex';

export interface TierDecision {
  readonly lane: 'interactive' | 'background' | 'batch';
  /** What the work is run as: `fast` and `ultrafast` are other names of `priority`, `auto` and `scale` of `default`. */
  readonly used: UsedTier;
}

/**
 * Who waits on the line goes before who comes back; a tier moves work one lane up or down. Nothing is above the
 * interactive lane: there `priority` is what `default` is.
 * @param tier a checked `service_tier` (libs/protocol has the list), or null; what is not told apart here is `default`.
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
