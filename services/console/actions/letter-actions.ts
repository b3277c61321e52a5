/** Requeues and drops dead letters, as `npm run dlq` does. */
import { DeadLetterError, type DeadLetterWires, dropLetter, requeueLetter } from '@penstock/runs';
import { ActionError, type Actions } from './action.ts';

/** @param wires rejects while the region has no dead letters to look at. */
export function letterActions(wires: () => Promise<DeadLetterWires>): Actions {
  const each = (act: (wires: DeadLetterWires, id: string) => Promise<unknown>) => async (id: string) => {
    try {
      await act(await wires(), id);
    } catch (err) {
      throw err instanceof DeadLetterError ? new ActionError(err.message) : err;
    }
  };
  return { 'letter.requeue': each(requeueLetter), 'letter.drop': each(dropLetter) };
}
