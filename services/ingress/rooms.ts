/** What all tenants of a node share, and no one of them may take all of. */
import type { Amount } from '@penstock/policy';
import { SharedRoom } from '@penstock/runtime';
import type { QueueAdmin, RunStore } from '@penstock/transport';
import { QueueRoom, type QueueRoomOptions } from './intake/queue-room.ts';
import { StoreRoom } from './intake/store-room.ts';
import { AnswerRoom, type AnswerRoomOptions } from './sending/answer-room.ts';

export interface RoomsOptions
  extends Pick<QueueRoomOptions, 'isServed' | 'region' | 'shards'>,
    Pick<AnswerRoomOptions, 'monotonic' | 'open'> {
  readonly queue: Pick<QueueAdmin, 'fill'>;
  readonly runStore: Pick<RunStore, 'memory'>;
  readonly bodyBudgetBytes: number;
  readonly answerBudgetBytes: number;
  readonly queueLimits: Amount;
}

export class Rooms {
  /** Memory of large bodies. */
  readonly bodies: SharedRoom;
  readonly answers: AnswerRoom;
  readonly queue: QueueRoom;
  readonly store: StoreRoom;

  constructor(options: RoomsOptions) {
    const { monotonic, open, answerBudgetBytes: totalBytes, queueLimits: limits } = options;
    this.bodies = new SharedRoom(options.bodyBudgetBytes);
    this.answers = new AnswerRoom({ totalBytes, monotonic, open });
    this.queue = new QueueRoom({ ...options, limits });
    this.store = new StoreRoom(options.runStore);
  }

  /** Call once a second. */
  tick(): void {
    for (const room of [this.answers, this.queue, this.store]) room.tick();
  }
}
