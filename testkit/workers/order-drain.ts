import { connect } from '@nats-io/transport-node';
import { HEARTBEAT_MS } from '@penstock/policy';
import { controlSubject, encodeMessage, readHeartbeat } from '@penstock/protocol';
import type { Stack } from '../stack.ts';

/** One comes each second. */
const MOST_BEATS = 30;

/**
 * Orders workers by name to take nothing new, or to take work again.
 * @returns once each has said so itself: one that has not heard the order yet takes what is sent next.
 */
export async function orderDrain({ nats }: Stack, orders: Record<string, boolean>): Promise<void> {
  const nc = await connect({ servers: nats.url });
  try {
    const said = Object.entries(orders).map(async ([worker, drain]) => {
      const beats = nc.subscribe(`hb.*.${worker}`, { max: MOST_BEATS, timeout: MOST_BEATS * HEARTBEAT_MS });
      nc.publish(controlSubject({ kind: 'worker', worker }), encodeMessage({ drain }));
      for await (const { data } of beats) if (readHeartbeat(data, worker)?.pulling === !drain) return;
      throw new Error(`${worker} did not say that it obeys in ${MOST_BEATS} heartbeats`);
    });
    await Promise.all(said);
  } finally {
    await nc.close();
  }
}
