/** Takes workers out of service and back. An order is a message that nobody confirms: that it was followed shows in the worker's heartbeat. */
import type { Fleet } from '@penstock/fleet';
import { encodeMessage } from '@penstock/protocol';
import type { ControlChannel } from '@penstock/transport';
import { ActionError, type Actions } from './action.ts';

export function workerActions(
  fleet: Pick<Fleet, 'members'>,
  control: Pick<ControlChannel, 'connected' | 'send'>,
): Actions {
  const order = (drain: boolean) => async (worker: string) => {
    if (!control.connected) throw new ActionError('there is no connection to NATS: try again');
    const known = [...fleet.members()].find(member => member.worker === worker);
    if (known === undefined) throw new ActionError('no such worker is heard');
    if (known.heartbeat.report === undefined)
      throw new ActionError('it is of an older version, which takes no orders: end its process instead');
    control.send({ kind: 'worker', worker }, encodeMessage({ drain }));
  };
  return { 'worker.drain': order(true), 'worker.resume': order(false) };
}
