/** Processes and servers of a simulated region, and what is done to them. */
import type { Fault, Plan } from './plan.ts';
import { Client } from './processes/client.ts';
import { SimulatedEngine } from './processes/engine.ts';
import { type IngressProcess, startIngress } from './processes/ingress.ts';
import { logTo } from './processes/settings.ts';
import { startWorker, type WorkerProcess } from './processes/worker.ts';
import { NatsServer } from './servers/nats.ts';
import { RedisServer } from './servers/redis.ts';
import { Proc, VirtualTime } from './world/virtual-time.ts';

/** Before a process is started again that could not start. */
const RESTART_MS = 500;

export class Region {
  readonly plan: Plan;
  readonly time: VirtualTime;
  readonly nats: NatsServer;
  readonly redis: RedisServer;
  readonly engines: SimulatedEngine[];
  readonly workers: (WorkerProcess | null)[];
  readonly ingresses: (IngressProcess | null)[];
  readonly clients: Client[];
  readonly history: string[] = [];
  /** Until when something is done to somebody, ms. */
  disturbedUntil = 0;
  readonly #isTraced: boolean;
  #incarnations = 0;

  constructor(plan: Plan, isTraced: boolean) {
    this.plan = plan;
    this.#isTraced = isTraced;
    this.time = new VirtualTime(plan.seed ^ 0x5eed);
    this.nats = new NatsServer(this.time);
    this.redis = new RedisServer(this.time);
    const machine = (i: number) => new Proc(`engine-${i + 1}`);
    this.engines = plan.workers.map((traits, i) => new SimulatedEngine(this.time, machine(i), traits));
    this.workers = plan.workers.map(() => null);
    this.ingresses = Array.from({ length: plan.ingresses }, () => null);
    const note = (line: string) => this.note(line);
    this.clients = plan.requests.map(request => new Client(request, this.time, this.redis, note));
    this.redis.onWrite = () => {
      for (const client of this.clients) client.look();
    };
  }

  note(line: string): void {
    if (this.#isTraced) this.history.push(`${this.time.now.toFixed(1).padStart(9)}  ${line}`);
  }

  #log(service: string) {
    return logTo(service, this.#isTraced ? line => this.note(line) : null);
  }

  begin(): void {
    const { time, plan } = this;
    for (let i = 0; i < plan.ingresses; i++) this.startIngress(i);
    // Their queue has to be there.
    time.after(time.world, 200, () => {
      for (const i of plan.workers.keys()) this.startWorker(i);
    });
    for (const client of this.clients) {
      time.at(time.world, client.plan.at, () => this.#ask(client));
      const { leavesAt } = client.plan;
      if (leavesAt !== null) time.at(time.world, leavesAt, () => client.leave());
    }
    for (const fault of plan.faults) time.at(time.world, fault.at, () => this.#do(fault));
  }

  startIngress(i: number): void {
    const name = `in-${i + 1}`;
    startIngress(this, name, this.plan.isBound, this.#log(name)).then(
      started => {
        this.ingresses[i] = started;
      },
      // It ends, and is started again.
      () => this.time.after(this.time.world, RESTART_MS, () => this.startIngress(i)),
    );
  }

  startWorker(i: number): void {
    const traits = this.plan.workers[i];
    const engine = this.engines[i];
    if (traits === undefined || engine === undefined) return;
    const name = `w-${i + 1}`;
    this.workers[i] = startWorker(
      this,
      { name, ...traits },
      `p${++this.#incarnations}`,
      engine,
      this.#log(name),
    );
  }

  #ask(client: Client): void {
    const { name, kind, words, ingress: i } = client.plan;
    const ingress = this.ingresses[i];
    this.note(`${name}: ${kind} of ${words} words, at in-${i + 1}`);
    if (ingress == null || !ingress.proc.isAlive || ingress.fleet.models().length === 0)
      return client.refused();
    client.send(ingress);
  }

  #do(fault: Fault): void {
    const { time, nats, redis } = this;
    const { kind, ms } = fault;
    this.note(`FAULT ${kind} ${fault.index} for ${ms} ms, ${fault.forgottenMs} ms forgotten`);
    this.disturbedUntil = Math.max(this.disturbedUntil, time.now + ms);
    const after = (does: () => void) =>
      time.after(time.world, ms, () => {
        this.note(`over: ${kind} ${fault.index}`);
        does();
      });
    const worker = fault.index % this.workers.length;
    const ingress = fault.index % this.ingresses.length;
    switch (kind) {
      case 'kill worker':
        return this.#kill(this.workers, worker, () => after(() => this.startWorker(worker)));
      case 'kill ingress':
        return this.#kill(this.ingresses, ingress, () => after(() => this.startIngress(ingress)));
      case 'stop worker':
        return this.#stop(this.workers[worker]?.proc, after);
      case 'stop ingress':
        return this.#stop(this.ingresses[ingress]?.proc, after);
      case 'stop nats':
        return this.#stop(nats.proc, after);
      case 'stop redis':
        return this.#stop(redis.proc, after);
      case 'kill nats':
        if (!nats.isUp) return;
        nats.kill(fault.forgottenMs);
        return void after(() => nats.start());
      case 'fail over redis':
      case 'kill redis':
        if (!redis.proc.isAlive) return;
        redis.kill();
        if (kind === 'fail over redis') redis.forget(Math.min(300, fault.forgottenMs));
        return void after(() => redis.start());
      case 'refuse writes':
        redis.refuses = true;
        return void after(() => {
          redis.refuses = false;
        });
      case 'break engine':
        this.engines[worker]?.failures.push(fault.index % 2 === 0 ? 'breaks' : 'refuses');
        return;
      default:
        return this.#cut(fault, after);
    }
  }

  #cut({ kind, index }: Fault, after: (does: () => void) => void): void {
    const all = kind.includes('worker') ? this.workers : this.ingresses;
    const wires = all[index % all.length]?.wires;
    const cut = (isCut: boolean) => (kind.endsWith('nats') ? wires?.cutNats(isCut) : wires?.cutRedis(isCut));
    cut(true);
    after(() => cut(false));
  }

  #kill(all: (WorkerProcess | IngressProcess | null)[], i: number, after: () => void): void {
    const killed = all[i];
    if (killed == null || !killed.proc.isAlive) return;
    this.time.kill(killed.proc);
    killed.wires.end();
    all[i] = null;
    for (const client of this.clients) if (client.ingress === killed) client.cutOff();
    after();
  }

  #stop(proc: Proc | undefined, after: (does: () => void) => void): void {
    if (proc === undefined || !proc.isAlive || proc.isStopped) return;
    this.time.stop(proc);
    after(() => this.time.resume(proc));
  }
}
