/** Every process and both servers of a stack, killed without warning and started again on the same port and data. */
import type { Stack } from '../../testkit/stack.ts';

export interface Kill {
  readonly name: string;
  /** The engine whose runs it may cut. */
  readonly engine: number | 'any' | 'none';
  /** Unix ms. */
  readonly at: number;
}

interface Victim {
  readonly name: string;
  readonly engine: Kill['engine'];
  restart(): Promise<void>;
}

export function victimsOf(stack: Stack): Victim[] {
  const worker = (index: number): Victim => ({
    name: `worker ${index + 1}`,
    engine: index,
    async restart() {
      const old = stack.workers[index];
      old?.kill('SIGKILL');
      await old?.exited;
      stack.workers[index] = await stack.startWorker(index);
    },
  });
  return [
    worker(0),
    {
      name: 'tasks',
      engine: 'none',
      async restart() {
        const [old] = stack.tasks;
        old?.kill('SIGKILL');
        await old?.exited;
        stack.tasks[0] = await stack.startTasks();
      },
    },
    // Its acknowledgements and deliveries reach the disk late: killed, it hands out again what it forgot was being worked on.
    { name: 'nats-server', engine: 'any', restart: () => stack.nats.restart() },
    {
      name: 'ingress',
      engine: 'none',
      async restart() {
        stack.ingress.kill('SIGKILL');
        await stack.ingress.exited;
        stack.ingress = await stack.startIngress();
      },
    },
    { name: 'redis-server', engine: 'none', restart: () => stack.redis.restart() },
    worker(1),
  ];
}

/** Kills one after the other. @param ready resolves when it is time for the kill of this index. */
export async function killAll(stack: Stack, ready: (index: number) => Promise<void>): Promise<Kill[]> {
  const kills: Kill[] = [];
  for (const [i, { name, engine, restart }] of victimsOf(stack).entries()) {
    await ready(i);
    kills.push({ name, engine, at: Date.now() });
    await restart();
  }
  return kills;
}
