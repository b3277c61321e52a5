/** Where one request is queued, as a value. Only the broker's adapter and the run's record know it as a subject. */
import { boundSubject, LANES, SIZES, type WorkQueueKey, workSubject } from './names.ts';

export interface QueueAddress extends WorkQueueKey {
  /** The worker that the request is bound to; null: any worker of the model may take it. */
  readonly worker: string | null;
  /** Request id. */
  readonly id: string;
}

/** The address at which any worker of the model may take the request. */
export function sharedAddress(key: WorkQueueKey, id: string): QueueAddress {
  const { region, shard, slug, lane, size } = key;
  return { region, shard, slug, lane, size, worker: null, id };
}

/** The exact subject of one request. */
export function subjectOf(address: QueueAddress): string {
  const { worker, id } = address;
  return worker === null ? workSubject(address, id) : boundSubject(address, worker, id);
}

const TOKEN = '([a-z0-9_-]{1,48})';
const SUBJECT = new RegExp(
  `^work\\.${TOKEN}\\.(\\d{1,3})\\.${TOKEN}\\.${TOKEN}\\.${TOKEN}\\.(?:any|to\\.${TOKEN})\\.${TOKEN}$`,
);

/** The queue that a shared consumer's filter stands for; null for another filter. */
export function readWorkFilter(filter: string): WorkQueueKey | null {
  // An id has the place of the wildcard.
  const address = filter.endsWith('.any.*') ? readSubject(`${filter.slice(0, -1)}x`) : null;
  if (address === null) return null;
  const { region, shard, slug, lane, size } = address;
  return { region, shard, slug, lane, size };
}

/** The address that a subject stands for; null for one that this version does not make. */
export function readSubject(subject: string): QueueAddress | null {
  const [, region = '', shard, slug = '', laneText, sizeText, worker, id = ''] = SUBJECT.exec(subject) ?? [];
  const lane = LANES.find(known => known === laneText);
  const size = SIZES.find(known => known === sizeText);
  if (lane === undefined || size === undefined) return null;
  return { region, shard: Number(shard), slug, lane, size, worker: worker ?? null, id };
}
