/** A whole Penstock for one test: real nats-server and Redis, ingress and workers as processes, simulated engines here. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildEngine, type EngineOptions, type SimEngine } from '@penstock/engine-sim';
import { USUAL_ENDPOINTS } from '@penstock/protocol';
import type { Role } from '@penstock/transport/roles';
import { type NatsServer, startNats } from './nats.ts';
import { freePort } from './ports.ts';
import { type ServiceProcess, startService } from './process.ts';
import { startRedis } from './redis.ts';
import { startRoleServers } from './roles/role-servers.ts';

export const API_KEY = 'sk-penstock-test-key';

export interface StackOptions {
  /** Servers that run already, in place of one of its own. */
  readonly natsUrl?: string;
  /** One engine in this process and one worker for each. */
  readonly engines?: Partial<EngineOptions>[];
  /** Engines that run already; a worker for each. */
  readonly engineUrls?: readonly string[];
  /** Of deliveries: ingress nodes give it, workers renew it, so both have to be told. */
  readonly leaseMs?: number;
  readonly ingressEnv?: Record<string, string>;
  readonly workerEnv?: Record<string, string>;
  /** Told of every line that a worker (by its index) or an ingress (−1) logs. */
  readonly onLine?: (line: string, worker: number) => void;
  /** Servers of the test's own, in place of one; `url` is what the processes are given, `server` the one that is killed. */
  readonly redis?: { readonly url: string; readonly server: Awaited<ReturnType<typeof startRedis>> };
  /** A tasks process too, and a directory for files. */
  readonly tasksEnv?: Record<string, string>;
  /** What the process of a name gets beside everything else. */
  readonly envOf?: (process: string) => Record<string, string>;
  /** Each process is the user of its role at servers of its own stack; where one was denied something, the end of the stack fails. */
  readonly asRoles?: boolean;
  /** How the process of a name reaches the servers, where not directly. */
  readonly wiresOf?: (
    process: string,
    servers: { nats: string; redis: string },
  ) => Promise<{ nats: string; redis: string }>;
}

export type Stack = Awaited<ReturnType<typeof startStack>>;

export async function startStack(options: StackOptions) {
  // What has started ends too where a later part does not start: it would keep the process of the failed test alive.
  await using parts = new AsyncDisposableStack();
  const servers = await startServers(options, parts);
  const { nats, redis } = servers;
  const wiresTo = async (name: string, role: Role) => {
    const direct = { nats: nats.url, redis: options.redis?.url ?? redis.url };
    const urls = (await options.wiresOf?.(name, direct)) ?? servers.urlsOf?.(role) ?? direct;
    return {
      ...{ PENSTOCK_NATS_URL: urls.nats, PENSTOCK_REDIS_URL: urls.redis, PENSTOCK_LOG_LEVEL: 'info' },
      ...options.envOf?.(name),
    };
  };
  const filesDir = parts.adopt(await mkdtemp(join(tmpdir(), 'penstock-files-')), dir =>
    rm(dir, { recursive: true, force: true }),
  );
  const engines: SimEngine[] = [];
  for (const engine of options.engines ?? []) {
    const sim = buildEngine(engine);
    await sim.listen(0);
    engines.push(parts.adopt(sim, () => sim.close()));
  }
  const services = parts.adopt<ServiceProcess[]>([], async all => {
    await Promise.all(all.map(service => service.stop()));
  });
  const start = async (...about: Parameters<typeof startService>) => {
    const service = await startService(...about);
    services.push(service);
    return service;
  };
  const lease: Record<string, string> =
    options.leaseMs === undefined ? {} : { PENSTOCK_ACK_WAIT_MS: String(options.leaseMs) };
  /** @param port of a node that comes back; a free one when absent. */
  const startNode = async (name: string, port?: number, more: Record<string, string> = {}) => {
    const at = port ?? (await freePort());
    const env = {
      ...(await wiresTo(name, 'ingress')),
      PENSTOCK_PORT: String(at),
      PENSTOCK_API_KEYS: API_KEY,
      PENSTOCK_INGRESS_ID: name,
      // A test that is over need not be told apart from one that goes on.
      PENSTOCK_LAME_DUCK_MS: '0',
      PENSTOCK_FILES_DIR: filesDir,
      ...lease,
      ...options.ingressEnv,
      ...more,
    };
    const process = await start('ingress', env, {
      readyWhen: line => {
        options.onLine?.(line, -1);
        return line.includes('ingress listening');
      },
    });
    return { url: `http://127.0.0.1:${at}`, port: at, process };
  };
  const first = await startNode('in-1');
  const ingress = first.process;
  /** The first node once more, where the test ended it. */
  const startIngress = async () => (await startNode('in-1', first.port)).process;
  const engineUrls = options.engineUrls ?? engines.map(engine => engine.url);
  const startWorker = async (index: number, name = `w-${index + 1}`, env: Record<string, string> = {}) =>
    start(
      'worker',
      {
        ...(await wiresTo(name, 'worker')),
        PENSTOCK_WORKER_ID: name,
        PENSTOCK_ENGINE_URL: engineUrls[index] ?? '',
        // An engine that counts its calls is not to be asked what it has.
        ...(options.engineUrls === undefined ? {} : { PENSTOCK_ENGINE_ENDPOINTS: USUAL_ENDPOINTS.join(',') }),
        // Simulated engines do, and what engines are sent is counted.
        PENSTOCK_CONTINUES: 'yes',
        PENSTOCK_FILES_DIR: filesDir,
        ...lease,
        ...options.workerEnv,
        ...env,
      },
      {
        readyWhen: line => {
          options.onLine?.(line, index);
          return line.includes('pulling');
        },
      },
    );
  const startTasks = async () =>
    start(
      'tasks',
      { ...(await wiresTo('tasks', 'tasks')), PENSTOCK_FILES_DIR: filesDir, ...options.tasksEnv },
      { readyWhen: line => line.includes('tasks started') },
    );
  const tasks: ServiceProcess[] = options.tasksEnv === undefined ? [] : [await startTasks()];
  const workers: ServiceProcess[] = await Promise.all(engineUrls.map((_, index) => startWorker(index)));
  const { url } = first;
  await waitFor(async () => (await fetch(`${url}/readyz`)).ok);
  const running = parts.move();
  return {
    url,
    nats,
    redis,
    filesDir,
    ingress,
    startIngress,
    /** Another node, or one that was killed, on the port it had; ended with the stack. */
    async addIngress(name: string, port?: number, env?: Record<string, string>) {
      const added = await startNode(name, port, env);
      await waitFor(async () => (await fetch(`${added.url}/readyz`)).ok);
      return added;
    },
    engines,
    workers,
    startWorker,
    tasks,
    startTasks,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function startServers(options: StackOptions, parts: AsyncDisposableStack) {
  const { natsUrl, redis, asRoles = false, ingressEnv } = options;
  if (asRoles) {
    const { PENSTOCK_REGION: region = 'local', PENSTOCK_SHARDS: shards = '1' } = ingressEnv ?? {};
    return parts.adopt(await startRoleServers(region, Number(shards)), async servers => {
      const denied = await servers.denied();
      await servers.stop();
      if (denied.length > 0) throw new Error(`a role was denied what it asked for:\n${denied.join('\n')}`);
    });
  }
  return {
    nats:
      natsUrl === undefined
        ? parts.adopt(await startNats(), server => server.stop())
        : notStartedHere(natsUrl),
    redis: redis?.server ?? parts.adopt(await startRedis(), server => server.stop()),
    urlsOf: null,
  };
}

function notStartedHere(url: string): NatsServer {
  const fail = () => Promise.reject(new Error('whoever started it may end it'));
  return {
    ...{ url, pid: 0, output: () => [] },
    ...{ kill: fail, start: fail, restart: fail, stop: fail, write: fail, loseDisk: fail },
  };
}

/** Asks again every 20 ms until it is so. @throws after 30 s. */
export async function waitFor(condition: () => boolean | Promise<boolean>, limitMs = 30_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (
    !(await Promise.resolve()
      .then(condition)
      .catch(() => false))
  ) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${condition.toString()}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

/** Resolves once the ingress says of a model that it does not exist: before it has listened for a while, it says "not yet". */
export function whenAllHeard({ url }: Pick<Stack, 'url'>): Promise<void> {
  const headers = { authorization: `Bearer ${API_KEY}` };
  return waitFor(async () => (await fetch(`${url}/v1/models/nobody`, { headers })).status === 404);
}

export function post(stack: Stack, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(stack.url + path, {
    method: 'POST',
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    ...init,
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json', ...init.headers },
  } as RequestInit);
}

/** The error of an answer that has one. */
export async function errorOf(
  response: Response,
): Promise<{ type: string; code: string; param: string; message: string }> {
  const body = (await response.json()) as {
    error: { type: string; code: string; param: string; message: string };
  };
  return body.error;
}

export interface ReadStream {
  readonly status: number;
  readonly headers: Headers;
  /** Content of every delta, in order. */
  readonly tokens: string[];
  readonly ids: Set<string>;
  readonly done: boolean;
  readonly finishReason: string | null;
  readonly error: { code: string } | null;
}

/** Posts a chat stream and reads it to its end. */
export async function readChat(stack: Stack, body: Record<string, unknown>): Promise<ReadStream> {
  const response = await post(stack, '/v1/chat/completions', { ...body, stream: true });
  const text = await response.text();
  const read = { tokens: [] as string[], ids: new Set<string>(), done: false };
  let finishReason: string | null = null;
  let error: { code: string } | null = null;
  for (const line of text.split('\n')) {
    if (!line.startsWith('data: ')) continue;
    if (line === 'data: [DONE]') {
      read.done = true;
      continue;
    }
    const chunk = JSON.parse(line.slice(6));
    if (chunk.error) error = chunk.error;
    if (chunk.id) read.ids.add(chunk.id);
    const choice = chunk.choices?.[0];
    if (choice?.delta?.content) read.tokens.push(choice.delta.content);
    finishReason = choice?.finish_reason ?? finishReason;
  }
  return { status: response.status, headers: response.headers, ...read, finishReason, error };
}

export function chat(content: string, extra: Record<string, unknown> = {}): Record<string, unknown> {
  return { model: 'sim-chat', messages: [{ role: 'user', content }], ...extra };
}
