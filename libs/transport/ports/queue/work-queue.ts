import type { ControlChannel } from './control-channel.ts';
import type { QueueAdmin } from './queue-admin.ts';
import type { WorkConsumer } from './work-consumer.ts';
import type { WorkPublisher } from './work-publisher.ts';

/** All that one connection to the broker offers. Take the narrower ports as parameters where they suffice. */
export interface WorkQueue extends QueueAdmin, WorkPublisher, WorkConsumer, ControlChannel {
  /** Delivers what was sent, then closes the connection. */
  close(): Promise<void>;
}
