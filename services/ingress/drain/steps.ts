/** How a node stops answering without anybody noticing: whoever sends requests here hears of it before the door closes. */
import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { lameDuck, type StopStep } from '@penstock/runtime';
import type { Answers } from './answers.ts';

const LOOK_MS = 50;
/** A connection whose last answer began before the node was to leave is kept so long for a request that is on its way, ms. */
const LAST_REQUEST_MS = 1000;

export interface DrainOptions {
  readonly server: Server;
  readonly answers: Pick<Answers, 'open' | 'leave'>;
  /** Connections of many requests at once; null where there are none. */
  readonly tls: { leave(): void } | null;
  /** How long connections are taken after the node said that it is not ready, ms. */
  readonly lameDuckMs: number;
  /** How long open requests may go on after that, ms. */
  readonly drainMs: number;
  /** Not ready from now on. */
  readonly onBegin: () => void;
}

export function drainSteps({ server, answers, tls, lameDuckMs, drainMs, onBegin }: DrainOptions): StopStep[] {
  return [
    lameDuck(lameDuckMs, () => {
      onBegin();
      answers.leave();
      tls?.leave();
    }),
    {
      name: 'finish open requests',
      limitMs: drainMs,
      run: async () => {
        server.keepAliveTimeout = LAST_REQUEST_MS;
        // Connections that are idle now were told nothing for all the lame-duck time, since nothing was asked by them.
        server.close();
        while (answers.open > 0) await sleep(LOOK_MS);
        if (lameDuckMs > 0) await sleep(LAST_REQUEST_MS);
      },
    },
  ];
}
