/** What a scaler tells in Redis, without one. */
import { RedisScalerRecords } from '@penstock/transport';

/** It wants more workers than its budget allows, and its driver fails. @param url of the Redis. */
export async function tellOfAPanic(url: string): Promise<void> {
  const records = await RedisScalerRecords.connect({ url, name: 'test' }, 'local');
  const decision = {
    ...{ models: ['sim-chat'], kind: 'up' as const, reason: 'panic', limit: 'budget', workers: { h100: 5 } },
    inputs: { load: 40, expected: 52, waiting: 9, capacity: 48 },
  };
  const pool = {
    ...{ pool: 'h100', ready: 3, starting: 2, overdue: 1, wanted: 5 },
    ...{ draining: [], startS: 61, pricePerHour: 2 },
  };
  const at = Date.now();
  await records.add({ ...decision, at, before: { h100: 3 } });
  await records.tell({
    ...{ at, by: 'scaler-1', driver: 'webhook', trouble: 'it answered 500' },
    ...{ pools: [pool], groups: [decision] },
  });
  await records.close();
}
