/**
 * For what is done again and again by a timer: a round that takes longer than the interval is not joined by another.
 * @param failed is told of a round that failed: the next one is the next try.
 * @returns does a round, or nothing while one is under way. Never rejects.
 */
export function oneAtATime(
  round: () => Promise<void>,
  failed: (err: unknown) => void = () => {},
): () => Promise<void> {
  let isBusy = false;
  return async () => {
    if (isBusy) return;
    isBusy = true;
    try {
      await round();
    } catch (err) {
      failed(err);
    } finally {
      isBusy = false;
    }
  };
}
