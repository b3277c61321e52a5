/** What is done to a real stack, each for a while: every process and both servers, and the network between them. */
import { Redis } from 'ioredis';
import type { FaultyProxy } from '../../../testkit/network/faulty-proxy.ts';
import type { ServiceProcess } from '../../../testkit/process.ts';
import type { FaultKind, Victims } from './region.ts';
import { type Election, serverFaults } from './server-faults.ts';

const nothing = async () => {};
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** @param only beginnings of their names; null for all. @throws Error where one is the beginning of none. */
export function faultKinds(
  victims: Victims,
  only: readonly string[] | null,
  elections: Election[],
): FaultKind[] {
  const all = [
    ...[...kills(victims), ...stops(victims), ...refusals(victims), ...network(victims)],
    ...serverFaults(victims, elections),
  ];
  const names = all.map(({ name }) => name);
  for (const each of only ?? [])
    if (!names.some(name => name.startsWith(each)))
      throw new Error(`no kind of fault begins with “${each}”; there are: ${names.join(', ')}`);
  return all.filter(({ name }) => only?.some(each => name.startsWith(each)) ?? true);
}

/** Killed, and started again after a while. */
function kills({ stack, ingresses, cluster, smallDisk, replicated }: Victims): FaultKind[] {
  const server = (name: 'nats' | 'redis'): FaultKind => {
    const killed = name === 'nats' && smallDisk !== null ? smallDisk : stack[name];
    return { name: `kill ${name}`, mostMs: 2000, begin: () => killed.kill(), end: () => killed.start() };
  };
  const restart = async (old: ServiceProcess | undefined, ms: number) => {
    old?.kill('SIGKILL');
    await old?.exited;
    await sleep(ms);
  };
  return [
    ...(cluster === null ? [server('nats')] : []),
    ...(replicated === null ? [server('redis')] : []),
    {
      ...{ name: 'kill worker', mostMs: 2000, end: nothing },
      async begin(index, ms) {
        const i = index % stack.workers.length;
        await restart(stack.workers[i], ms);
        stack.workers[i] = await stack.startWorker(i);
      },
    },
    {
      ...{ name: 'kill ingress', mostMs: 1000, end: nothing },
      async begin(index, ms) {
        const ingress = ingresses[index % ingresses.length];
        if (ingress === undefined) return;
        await restart(ingress.process, ms);
        ingress.process = (await stack.addIngress(ingress.name, ingress.port)).process;
      },
    },
    {
      ...{ name: 'kill tasks', mostMs: 2000, end: nothing },
      async begin(_, ms) {
        await restart(stack.tasks[0], ms);
        stack.tasks[0] = await stack.startTasks();
      },
    },
  ];
}

/** Stopped, and going on after a while as if nothing had been. */
function stops({ stack, ingresses, cluster, smallDisk, replicated }: Victims): FaultKind[] {
  const stop = (name: string, mostMs: number, pidOf: (index: number) => number | undefined): FaultKind => {
    const signal = (index: number, which: NodeJS.Signals) => {
      const pid = pidOf(index);
      if (pid !== undefined && pid > 0) process.kill(pid, which);
    };
    return {
      ...{ name: `stop ${name}`, mostMs },
      begin: async index => signal(index, 'SIGSTOP'),
      end: async index => signal(index, 'SIGCONT'),
    };
  };
  return [
    stop('worker', 6000, index => stack.workers[index % stack.workers.length]?.pid),
    stop('ingress', 3000, index => ingresses[index % ingresses.length]?.process.pid),
    stop('tasks', 4000, () => stack.tasks[0]?.pid),
    ...(cluster === null ? [stop('nats', 2000, () => (smallDisk ?? stack.nats).pid)] : []),
    ...(replicated === null ? [stop('redis', 2000, () => stack.redis.pid)] : []),
  ];
}

/** Redis answers, and takes no writes. */
function refusals({ stack, replicated }: Victims): FaultKind[] {
  // Whichever is the primary now is another matter.
  if (replicated !== null) return [];
  const command = async (...words: string[]) => {
    const admin = new Redis(stack.redis.url, { maxRetriesPerRequest: 1, lazyConnect: true });
    admin.on('error', () => {});
    try {
      await admin.connect();
      const [name = '', ...args] = words;
      await admin.call(name, ...args);
    } finally {
      admin.disconnect();
    }
  };
  const refuse = (name: string, begin: string[], end: string[]): FaultKind => ({
    ...{ name, mostMs: 1500 },
    begin: () => command(...begin),
    end: () => command(...end),
  });
  const user = ['ACL', 'SETUSER', 'default'];
  return [
    refuse('refuse replies (ACL)', [...user, '-xadd'], [...user, '+xadd']),
    refuse('refuse records (ACL)', [...user, '-hset'], [...user, '+hset']),
    refuse(
      'refuse all writes (OOM)',
      ['CONFIG', 'SET', 'maxmemory', '1'],
      ['CONFIG', 'SET', 'maxmemory', '0'],
    ),
  ];
}

/** Between one process and one server. */
function network({ wires }: Victims): FaultKind[] {
  const between = (
    server: 'nats' | 'redis',
    what: string,
    mostMs: number,
    turn: (proxy: FaultyProxy, isOn: boolean) => void,
  ): FaultKind => {
    const proxies = [...wires.values()].flatMap(each => each[server] ?? []);
    const proxyOf = (index: number) => proxies[index % proxies.length];
    const set = async (index: number, isOn: boolean) => {
      const proxy = proxyOf(index);
      if (proxy !== undefined) turn(proxy, isOn);
    };
    return {
      ...{ name: `${what} ${server}`, mostMs },
      begin: index => set(index, true),
      end: index => set(index, false),
    };
  };
  const isWired = (server: 'nats' | 'redis') => [...wires.values()].some(each => each[server] !== undefined);
  return (['nats', 'redis'] as const)
    .filter(isWired)
    .flatMap(server => [
      between(server, 'cut from', 1500, (proxy, isOn) => proxy.cut(isOn)),
      between(server, 'no word from', 4500, (proxy, isOn) => proxy.hold(isOn)),
      between(server, 'slow way to', 3000, (proxy, isOn) => proxy.slow(isOn)),
    ]);
}
