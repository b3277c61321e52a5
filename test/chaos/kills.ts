/** Every process and both servers of a stack, killed without warning and started again on the same port and data. */
import type { Stack } from '../support/stack.ts';

export interface Kill {
  readonly name: string;
  /** Index of the engine whose worker it was, or null. */
  readonly engine: number | null;
  /** Unix ms. */
  readonly at: number;
}

interface Victim {
  readonly name: string;
  readonly engine: number | null;
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
      engine: null,
      async restart() {
        const [old] = stack.tasks;
        old?.kill('SIGKILL');
        await old?.exited;
        stack.tasks[0] = await stack.startTasks();
      },
    },
    { name: 'nats-server', engine: null, restart: () => stack.nats.restart() },
    {
      name: 'ingress',
      engine: null,
      async restart() {
        stack.ingress.kill('SIGKILL');
        await stack.ingress.exited;
        stack.ingress = await stack.startIngress();
      },
    },
    { name: 'redis-server', engine: null, restart: () => stack.redis.restart() },
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
