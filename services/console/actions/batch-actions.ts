/** Ends batches before their time, as their clients can: what was answered by then is kept. */
import { isBatchFinal, isToken } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { TaskRecords } from '@penstock/transport';
import { ActionError, type Actions } from './action.ts';

export function batchActions(records: Pick<TaskRecords, 'batch' | 'updateBatch'>, clock: Clock): Actions {
  return {
    'batch.cancel': async id => {
      const batch = isToken(id) ? await records.batch(id) : null;
      if (batch === null) throw new ActionError('there is no such batch');
      if (isBatchFinal(batch.status)) throw new ActionError(`it is ${batch.status} already`);
      await records.updateBatch(id, { status: 'cancelling' }, Math.floor(clock.now() / 1000));
    },
  };
}
