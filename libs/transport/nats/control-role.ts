/**
 * What workers have ingress nodes do for them, on both sides. A worker whose user may do it itself, and hears of no ingress that knows such orders,
 * does it itself: of a region that is being upgraded, or whose ingress nodes are all away.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import {
  type ControlOrder,
  controlSubject,
  MOST_FAILURE_TEXT,
  readControlAnswer,
  readControlOrder,
  readSubject,
} from '@penstock/protocol';
import type { ConsumerOptions, QueueAdmin } from '../ports/queue/queue-admin.ts';
import type { DeadKeeping, WorkPublisher } from '../ports/queue/work-publisher.ts';
import { respondTo } from './control-channel.ts';
import type { NatsRequests } from './requests.ts';

/** On a cluster a consumer waits for its leader. */
const ORDER_LIMIT_MS = 5000;
/** One ingress answers. */
const GROUP = 'control';

export class ControlClient {
  readonly #requests: NatsRequests;
  readonly #region: string;

  constructor(requests: NatsRequests, region: string) {
    this.#requests = requests;
    this.#region = region;
  }

  /** @returns whether an ingress has done it; false where none answers. @throws Error where one could not. */
  async order(order: ControlOrder): Promise<boolean> {
    const subject = controlSubject({ kind: 'control', region: this.#region });
    const reply = await this.#requests.ask(subject, Buffer.from(JSON.stringify(order)), ORDER_LIMIT_MS);
    if (reply.kind !== 'reply') return false;
    if (readControlAnswer(reply.msg.data)?.done !== true)
      throw new Error('an ingress could not do it: its log says why');
    return true;
  }

  /** As {@link order}. */
  keepDead(subject: string, code: string, message: string): Promise<boolean> {
    return this.order({ do: 'dead', subject, code, message: message.slice(0, MOST_FAILURE_TEXT) });
  }
}

export interface ControlOptions extends ConsumerOptions {
  readonly region: string;
  readonly shards: number;
  /** Of dead letters. */
  readonly keeping?: DeadKeeping;
  /** Told of what could not be done. */
  readonly trouble: (err: Error) => void;
  /** Told of each order that is none, or of another region. */
  readonly onRefused: () => void;
}

interface Means {
  readonly topology: Pick<QueueAdmin, 'ensureConsumer' | 'ensureBoundConsumer'>;
  readonly publisher: Pick<WorkPublisher, 'moveToDead'>;
}

export function serveControl(nc: NatsConnection, means: Means, options: ControlOptions): void {
  nc.subscribe(controlSubject({ kind: 'control', region: options.region }), {
    queue: GROUP,
    callback: (err, msg) => {
      if (err !== null) return;
      const answer = (done: boolean) => respondTo(nc, msg, JSON.stringify({ done }));
      obey(readControlOrder(msg.data), means, options).then(
        isOurs => {
          if (!isOurs) options.onRefused();
          answer(isOurs);
        },
        (failure: Error) => {
          options.trouble(failure);
          answer(false);
        },
      );
    },
  });
}

/** @returns whether it was an order of this region. */
async function obey(
  order: ControlOrder | null,
  { topology, publisher }: Means,
  options: ControlOptions,
): Promise<boolean> {
  const { region, shards } = options;
  if (order === null) return false;
  if (order.do === 'dead') {
    const address = readSubject(order.subject);
    if (address?.region !== region) return false;
    await publisher.moveToDead(address, order, options.keeping);
    return true;
  }
  if (order.shard >= shards) return false;
  if (order.do === 'queue') await topology.ensureConsumer({ ...order, region }, options);
  else await topology.ensureBoundConsumer(region, order.shard, order.worker, options);
  return true;
}
