/**
 * Fixes that can be taken out one by one, each as a change of one place in the product's code: what a simulation does not find without them
 * it does not look at. {@link focus} says with which faults a seed is most likely to show it.
 */
import type { Focus } from './plan.ts';

export interface Change {
  /** From the top of the repository. */
  readonly file: string;
  /** What is there, once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutation {
  readonly name: string;
  /** More than one where another fix makes up for the one that is missed. */
  readonly changes: readonly Change[];
  readonly focus: Focus;
}

const LOSES_REFUSED: Change = {
  file: 'libs/transport/redis/replies/reply-outbox.ts',
  find: 'if (!isRefusal(err) || this.#isClosed) throw err;',
  replace: 'throw err;',
};

/** Streams whose worker is killed. */
export const DEATHS: Focus = { faults: ['kill worker'], kinds: ['stream'], isLong: true };

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'attempts are told apart by their number alone',
    changes: [
      {
        file: 'services/ingress/dispatch/holder.ts',
        find: 'running !== null && running.nonce === nonce && running.number === attempt && running.worker === worker',
        replace: 'running !== null && running.number === attempt',
      },
    ],
    focus: { faults: ['kill nats'], kinds: ['stream'] },
  },
  {
    name: 'what Redis refuses of a reply is lost',
    changes: [LOSES_REFUSED],
    focus: { faults: ['refuse writes'], kinds: ['stream', 'plain'] },
  },
  {
    name: 'nobody asks what is still wanted',
    changes: [
      {
        file: 'services/worker/admission/still-wanted.ts',
        find: 'setInterval(() => this.#askAll(), ASK_EVERY_MS)',
        replace: 'setInterval(() => this.#ranAt.size === 0 || this.#askAll(), ASK_EVERY_MS)',
      },
    ],
    focus: {
      faults: ['kill ingress', 'cut ingress from nats', 'cut worker from nats'],
      kinds: ['stream', 'response'],
      isLong: true,
    },
  },
  {
    name: 'a gap in the frames of an attempt is not noticed',
    changes: [
      LOSES_REFUSED,
      {
        file: 'services/ingress/dispatch/transition.ts',
        find: 'if (frame.seq > request.nextSeq) return',
        replace: 'if (frame.seq < 0) return',
      },
    ],
    focus: { faults: ['refuse writes'], kinds: ['stream'] },
  },
  {
    name: 'an attempt at a stored run is acked though its record belongs to another',
    changes: [
      {
        file: 'services/worker/stored/stored-runs.ts',
        find: 'if (!isStored) return;',
        replace: '',
      },
    ],
    focus: { faults: ['stop worker'], kinds: ['job', 'events', 'response'], isLong: true },
  },
  {
    name: 'a record does not say whose it is',
    changes: [
      {
        file: 'libs/transport/memory/runs/run-records.ts',
        find: 'return record?.run.attempt === number && record.nonce === nonce ? record : undefined;',
        replace: 'return number + nonce >= 0 ? record : undefined;',
      },
    ],
    focus: { faults: ['stop worker'], kinds: ['events', 'response'], isLong: true },
  },
  {
    name: 'a run that is final can be changed',
    changes: [
      {
        file: 'libs/transport/memory/runs/run-records.ts',
        find: 'return record === undefined || isFinalStatus(record.run.status) ? undefined : record;',
        replace: 'return record;',
      },
    ],
    focus: { faults: ['stop worker'], kinds: ['job', 'response'], isLong: true },
  },
  {
    name: 'a redelivery is run without asking',
    changes: [
      {
        file: 'services/worker/admission/decide-admission.ts',
        find: "if (deliveryCount > 1) return { kind: 'ask', reason: 'redelivered' };",
        replace: '',
      },
    ],
    focus: { faults: ['kill worker', 'stop worker'], kinds: ['stream'], isLong: true },
  },
  {
    name: 'a call is stored before the queue has its message',
    changes: [
      {
        file: 'services/ingress/dispatch/requeue.ts',
        find: 'const isSent = await settled(request.sending);',
        replace: 'const isSent = true;',
      },
    ],
    focus: { faults: ['cut ingress from nats', 'kill nats'], kinds: ['plain'], isLong: true },
  },
  {
    name: 'nobody calls a worker that has fallen silent',
    changes: [
      {
        file: 'services/ingress/dispatch/open-requests.ts',
        find: 'this.#rollCall.look(this.#open.values());',
        replace: '',
      },
    ],
    focus: DEATHS,
  },
  {
    name: 'work is taken off the queue after two deliveries',
    changes: [
      {
        file: 'libs/transport/nats/topology.ts',
        find: 'max_deliver: MAX_DELIVER,',
        replace: 'max_deliver: 2,',
      },
    ],
    focus: {
      faults: ['kill worker', 'kill worker', 'refuse writes'],
      kinds: ['job', 'response'],
      isLong: true,
    },
  },
  {
    name: 'a request is taken off the queue by purging its subject',
    changes: [
      {
        file: 'libs/transport/nats/work-publisher.ts',
        find: 'this.clear(address).catch(() => {});',
        replace: 'this.#purge(streamOf(address), subjectOf(address));',
      },
    ],
    focus: { faults: ['kill worker', 'stop worker'], kinds: ['stream', 'plain'], isLong: true },
  },
];
