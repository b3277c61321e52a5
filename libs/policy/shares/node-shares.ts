/**
 * What part of the workers an ingress node is to get beside others. Of what waits at any node every owner is to get what its weight says, and
 * of that each node the part that waits there: so nobody gets more for using all nodes than for using one. And what other nodes have on the
 * way counts as if this one had sent it.
 */

/** What one node tells the others of one door. */
export interface DoorTold {
  /** What waits, by owner. */
  readonly waiting: ReadonlyMap<string, OwnersWaiting>;
  /** What is on its way and that no engine has begun, by kind. */
  readonly onTheWay: ReadonlyMap<string, number>;
  /** What of it is begun in a second, by kind. */
  readonly pace: ReadonlyMap<string, number>;
}

export interface OwnersWaiting {
  readonly weight: number;
  readonly waiting: number;
}

export interface NodeShare {
  /** Of the workers, 0–1; 1 where nothing waits elsewhere. */
  readonly share: number;
  /** Owner → the part of its work that waits here, 0–1. One that is not in it has all of it here. */
  readonly parts: ReadonlyMap<string, number>;
  /** What other nodes have on the way, and begin in a second, by kind. */
  readonly elsewhere: ReadonlyMap<string, number>;
  readonly paceElsewhere: ReadonlyMap<string, number>;
}

export const ALONE: NodeShare = {
  share: 1,
  parts: new Map(),
  elsewhere: new Map(),
  paceElsewhere: new Map(),
};

/** @param own as it is now. @param others as heard last of each. */
export function nodeShare(own: DoorTold, others: readonly DoorTold[]): NodeShare {
  if (others.length === 0) return ALONE;
  const all = new Map(own.waiting);
  const [elsewhere, paceElsewhere] = [new Map<string, number>(), new Map<string, number>()];
  for (const other of others) {
    for (const [kind, count] of other.onTheWay) elsewhere.set(kind, count + (elsewhere.get(kind) ?? 0));
    for (const [kind, pace] of other.pace) paceElsewhere.set(kind, pace + (paceElsewhere.get(kind) ?? 0));
    for (const [owner, { weight, waiting }] of other.waiting)
      all.set(owner, { weight, waiting: waiting + (all.get(owner)?.waiting ?? 0) });
  }
  const parts = new Map<string, number>();
  let [here, everywhere] = [0, 0];
  for (const [owner, { weight, waiting }] of all) {
    const part = (own.waiting.get(owner)?.waiting ?? 0) / waiting;
    if (part > 0 && part < 1) parts.set(owner, part);
    here += weight * part;
    everywhere += weight;
  }
  return { share: everywhere === 0 ? 1 : here / everywhere, parts, elsewhere, paceElsewhere };
}
