/**
 * What the pods of a release would run, as processes of this machine: the servers with the chart's configuration, our services with its
 * settings and its secrets as files. For want of a kubelet; ports and directories are the machine's.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '../../../testkit/ports.ts';
import { type ServiceProcess, startProcess } from '../../../testkit/process.ts';
import { waitFor } from '../../../testkit/stack.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const READY_LIMIT_MS = 120_000;
const MAIN: Readonly<Record<string, string>> = {
  ingress: 'services/ingress/main.ts',
  tasks: 'services/tasks/main.ts',
  console: 'services/console/main.ts',
  worker: 'deploy/images/simulated-node.ts',
};

interface Source {
  readonly secret: {
    readonly name: string;
    readonly items: readonly { readonly key: string; readonly path: string }[];
  };
}
export interface RunnableObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly name: string;
          readonly command?: readonly string[];
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
        readonly volumes: readonly {
          readonly name: string;
          readonly projected?: { readonly sources: readonly Source[] };
        }[];
      };
    };
  };
}

export class Region {
  readonly #dir = mkdtempSync(join(tmpdir(), 'penstock-region-'));
  readonly #objects: readonly RunnableObject[];
  readonly #processes: ServiceProcess[] = [];
  /** Address in the cluster → address here. */
  readonly #addresses = new Map<string, string>();
  url = '';
  /** Of NATS, where KEDA looks. */
  monitor = '';

  constructor(objects: readonly RunnableObject[]) {
    this.#objects = objects;
  }

  get apiKey(): string {
    return this.#secret('penstock-made', 'api-key');
  }

  /** @throws Error with a process' last words where one does not become ready. */
  async start(): Promise<void> {
    await this.#startNats();
    await this.#startValkey();
    for (const component of ['ingress', 'tasks', 'console', 'worker']) await this.#startService(component);
  }

  async #startNats(): Promise<void> {
    const [port, monitor] = [await freePort(), await freePort()];
    const dir = this.#makeDir('nats');
    writeFileSync(join(dir, 'auth.conf'), this.#secret('penstock-nats-users', 'nats-auth.conf'));
    const given = this.#find('ConfigMap', 'penstock-nats').data?.['nats.conf'] ?? '';
    const conf = given
      .replace('port: 4222', `host: 127.0.0.1\nport: ${port}`)
      .replace('http_port: 8222', `http_port: ${monitor}`)
      .replace('"/tmp/nats.pid"', `"${dir}/nats.pid"`)
      .replace('"/data"', `"${dir}/data"`)
      .replace('"../../run/nats-auth/auth.conf"', '"auth.conf"');
    writeFileSync(join(dir, 'nats.conf'), conf);
    const program = process.env['PENSTOCK_TEST_NATS_SERVER'] ?? 'nats-server';
    const readyWhen = (line: string) => line.includes('Server is ready');
    this.#processes.push(await startProcess(program, ['--config', join(dir, 'nats.conf')], { readyWhen }));
    this.monitor = `http://127.0.0.1:${monitor}`;
    this.#addresses.set('penstock-nats:4222', `127.0.0.1:${port}`);
  }

  async #startValkey(): Promise<void> {
    const port = await freePort();
    const dir = this.#makeDir('valkey');
    writeFileSync(join(dir, 'users.acl'), this.#secret('penstock-redis-users', 'users.acl'));
    const { command = [] } = this.#container('StatefulSet', 'valkey');
    const args = command
      .slice(1)
      .map(each => each.replace('/run/valkey/users.acl', join(dir, 'users.acl')).replace(/^\/data$/, dir));
    const program = process.env['PENSTOCK_TEST_REDIS_SERVER'] ?? 'redis-server';
    const readyWhen = (line: string) => line.includes('Ready to accept connections');
    const local = ['--port', `${port}`, '--bind', '127.0.0.1'];
    this.#processes.push(await startProcess(program, [...args, ...local], { readyWhen }));
    this.#addresses.set('penstock-valkey:6379', `127.0.0.1:${port}`);
  }

  async #startService(component: string): Promise<void> {
    const dir = this.#makeDir(component);
    const { spec } = this.#deployment(component).spec.template;
    for (const { projected } of spec.volumes)
      for (const { secret } of projected?.sources ?? [])
        for (const { key, path } of secret.items)
          writeFileSync(join(dir, path), this.#local(this.#secret(secret.name, key)));
    const env: Record<string, string> = {};
    for (const { name, value } of this.#container('Deployment', component).env ?? [])
      if (value !== undefined) env[name] = value.replace('/run/penstock/', `${dir}/`);
    const port = await freePort();
    const ports = {
      PENSTOCK_PORT: `${port}`,
      PENSTOCK_CONSOLE_PORT: `${port}`,
      PENSTOCK_METRICS_PORT: `${component === 'ingress' ? await freePort() : port}`,
    };
    const engine = { PENSTOCK_ENGINE_URL: `http://127.0.0.1:${await freePort()}` };
    Object.assign(env, ports, engine, {
      PENSTOCK_FILES_DIR: join(this.#dir, 'files'),
      PENSTOCK_METRICS_HOST: '127.0.0.1',
    });
    const args = [join(ROOT, MAIN[component] ?? '')];
    const service = await startProcess(process.execPath, args, { readyWhen: () => true }, env);
    this.#processes.push(service);
    const url = `http://127.0.0.1:${port}`;
    // An ingress is ready once it has listened for workers, a worker once an ingress has made the queue.
    await waitFor(async () => (await fetch(`${url}/readyz`)).ok, READY_LIMIT_MS).catch(() => {
      throw new Error(`${component} is not ready: ${service.output.slice(-3).join(' ')}`);
    });
    if (component === 'ingress') this.url = url;
  }

  #local(text: string): string {
    let local = text;
    for (const [there, here] of this.#addresses) local = local.replace(there, here);
    return local;
  }

  #secret(name: string, key: string): string {
    return this.#find('Secret', name).stringData?.[key] ?? '';
  }

  #find(kind: string, name: string): RunnableObject {
    const found = this.#objects.find(each => each.kind === kind && each.metadata.name === name);
    if (found === undefined) throw new Error(`the release has no ${kind} ${name}`);
    return found;
  }

  #deployment(component: string): RunnableObject {
    return this.#find('Deployment', `penstock-${component}${component === 'worker' ? '-sim' : ''}`);
  }

  #container(kind: string, component: string) {
    const workload =
      kind === 'Deployment' ? this.#deployment(component) : this.#find(kind, `penstock-${component}`);
    const container = workload.spec.template.spec.containers.find(({ name }) => name === component);
    if (container === undefined) throw new Error(`${component} has no container of its name`);
    return container;
  }

  #makeDir(name: string): string {
    const dir = join(this.#dir, name);
    mkdirSync(dir);
    return dir;
  }

  async stop(): Promise<void> {
    for (const each of this.#processes.reverse()) await each.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
