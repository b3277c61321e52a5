/** What has not gone back to zero after the last request has ended. */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { workStream } from '@penstock/protocol';
import { type Stack, waitFor } from '../../../testkit/stack.ts';

const ZERO_WITHIN_MS = 60_000;

/** @returns what is there, for people; empty where nothing is. */
export async function leftOf(stack: Stack, urls: readonly string[]): Promise<string> {
  let left = '';
  const look = async () => {
    const { waiting, subjects } = await messagesIn(stack);
    const counts = {
      'calls at engines': stack.engines.reduce((sum, engine) => sum + engine.stats().running, 0),
      'open requests': await openRequests(urls),
      messages: waiting,
    };
    left = Object.entries(counts)
      .filter(([, count]) => count !== 0)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ');
    if (left !== '' && waiting > 0) left += ` (${subjects.slice(0, 5).join(', ')})`;
    return left === '';
  };
  await waitFor(look, ZERO_WITHIN_MS).catch((err: Error) => {
    left ||= err.message;
  });
  return left;
}

async function openRequests(urls: readonly string[]): Promise<number> {
  let open = 0;
  for (const url of urls) {
    const text = await (await fetch(`${url}/metrics`)).text();
    open += Number(/^penstock_open_requests (\d+)/m.exec(text)?.[1] ?? Number.NaN);
  }
  return open;
}

/**
 * Those that the broker delivers, or has delivered and awaits the end of. A nats-server that was killed may keep some of which it knows
 * that they were acked: nobody gets them, and their time ends them.
 */
async function messagesIn(stack: Stack): Promise<{ waiting: number; subjects: string[] }> {
  const nc = await connect({ servers: stack.nats.url.split(',') });
  try {
    const jsm = await jetstreamManager(nc);
    const stream = workStream('local', 0);
    let waiting = 0;
    for await (const { num_pending, num_ack_pending } of jsm.consumers.list(stream))
      waiting += num_pending + num_ack_pending;
    const { state } = await jsm.streams.info(stream, { subjects_filter: '>' });
    return { waiting, subjects: Object.keys(state.subjects ?? {}) };
  } finally {
    await nc.close();
  }
}
