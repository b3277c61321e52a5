/**
 * Finds what a work stream keeps and delivers to nobody: messages that a consumer has delivered, and neither waits for their acks nor means
 * to deliver them again. Such are those that were delivered as often as an earlier version let them be, and what the broker's own faults leave
 * behind. It lists neither what waits for an ack nor what it has dropped, so both are told apart by counting.
 */
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import { type QueueAddress, readSubject, workStream } from '@penstock/protocol';

/** Messages read in one queue: each comes with its body. */
const MOST_READ = 1000;

/**
 * @returns of each queue in which messages are missing all that it has delivered and not seen the end of, so those that workers have, too.
 * What is counted changes meanwhile: an answer means something only where it stays the same.
 */
export async function findUndelivered(
  jsm: JetStreamManager,
  region: string,
  shard: number,
): Promise<QueueAddress[]> {
  const stream = workStream(region, shard);
  const { state } = await jsm.streams.info(stream);
  if (state.messages === 0) return [];
  const queues: ConsumerInfo[] = [];
  for await (const info of jsm.consumers.list(stream)) queues.push(info);
  if (state.messages <= queues.reduce((sum, queue) => sum + known(queue), 0)) return [];
  const found: QueueAddress[] = [];
  for (const queue of queues) {
    const filter = queue.config.filter_subject ?? '';
    const { state: held } = await jsm.streams.info(stream, { subjects_filter: filter });
    if (Object.keys(held.subjects ?? {}).length <= known(queue)) continue;
    found.push(...(await delivered(jsm, stream, filter, queue.delivered.stream_seq)));
  }
  return found;
}

function known({ num_pending, num_ack_pending }: ConsumerInfo): number {
  return num_pending + num_ack_pending;
}

/** @param until sequence of the last message that the queue has delivered. */
async function delivered(
  jsm: JetStreamManager,
  stream: string,
  filter: string,
  until: number,
): Promise<QueueAddress[]> {
  const found: QueueAddress[] = [];
  for (let seq = 1; found.length < MOST_READ; ) {
    // None is left, or the broker cannot say: it is asked again.
    const message = await jsm.streams
      .getMessage(stream, { seq, next_by_subj: filter } as never)
      .catch(() => null);
    if (message === null || message.seq > until) break;
    seq = message.seq + 1;
    const address = readSubject(message.subject);
    if (address !== null) found.push(address);
  }
  return found;
}
