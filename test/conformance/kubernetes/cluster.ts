/** A Kubernetes API without nodes: what is asked of it is kept, checked and authorized as in any cluster, and nothing is run. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { parse } from 'yaml';
import type { Cluster as PodAccount } from '../../../services/scaler/kubernetes/cluster-api.ts';
import { freePort } from '../../../testkit/ports.ts';
import { type ServiceProcess, startProcess } from '../../../testkit/process.ts';
import { waitFor } from '../../../testkit/stack.ts';
import { type Ran, runProgram } from '../programs.ts';
import type { Tools } from './tools.ts';

const READY_LIMIT_MS = 180_000;

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { readonly message?: string };
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
}

/** A kind of object that lives in a namespace. */
interface Resource {
  readonly kind: string;
  readonly path: (namespace: string) => string;
}

export class Cluster {
  readonly #dir = mkdtempSync(join(tmpdir(), 'penstock-kubernetes-'));
  readonly #token = randomUUID();
  readonly #tools: Tools;
  readonly #processes: ServiceProcess[] = [];
  /** Its certificate is its own, and it listens on this machine only. */
  readonly #agent = new Agent({ connect: { rejectUnauthorized: false } });
  #url = '';

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  async start(): Promise<void> {
    const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
    const etcd = `http://127.0.0.1:${etcdPort}`;
    const peer = `http://127.0.0.1:${peerPort}`;
    const member = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer];
    const clients = ['--listen-client-urls', etcd, '--advertise-client-urls', etcd];
    const cluster = ['--initial-cluster', `default=${peer}`, '--data-dir', join(this.#dir, 'etcd')];
    this.#processes.push(
      await startProcess(this.#tools.etcd, [...member, ...clients, ...cluster], {
        readyWhen: line =>
          line.includes('ready to serve client requests') || line.includes('serving insecure'),
      }),
    );
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = this.#write('account.key', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const tokens = this.#write('tokens.csv', `${this.#token},admin,admin,system:masters\n`);
    const args = [
      ...['--etcd-servers', etcd, '--secure-port', `${port}`, '--bind-address', '127.0.0.1'],
      ...['--cert-dir', join(this.#dir, 'certificates'), '--authorization-mode', 'RBAC'],
      ...['--service-account-key-file', key, '--service-account-signing-key-file', key],
      ...['--service-account-issuer', 'https://penstock.invalid', '--token-auth-file', tokens],
      ...['--service-cluster-ip-range', '10.96.0.0/16'],
    ];
    this.#processes.push(
      await startProcess(this.#tools.apiServer, args, {
        readyWhen: line => line.includes('Serving securely'),
      }),
    );
    this.#url = `https://127.0.0.1:${port}`;
    await waitFor(async () => (await this.ask('GET', '/readyz')).status === 200, READY_LIMIT_MS);
  }

  /** Installs custom resource definitions, and waits until their kinds are served. */
  async define(definitions: readonly string[]): Promise<void> {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    for (const definition of definitions) {
      const object = parse(definition) as KubeObject;
      await this.create(path, object);
      await waitFor(async () => {
        const { status } = (await this.ask('GET', `${path}/${object.metadata.name}`)).body as {
          status?: { conditions?: { type: string; status: string }[] };
        };
        return (
          status?.conditions?.some(each => each.type === 'Established' && each.status === 'True') === true
        );
      }, READY_LIMIT_MS);
    }
  }

  /** @param type of the body; a patch needs that of a patch. */
  async ask(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Answer> {
    const response = await fetch(this.#url + path, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': type, accept: 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : { message: text } };
  }

  /** @throws Error with the API's own words where it is refused. */
  async create(path: string, object: unknown): Promise<Answer['body']> {
    const { status, body } = await this.ask('POST', path, object);
    if (status >= 300) throw new Error(`${path}: ${status} ${body.message}`);
    return body;
  }

  /** What a pod of this service account is given. */
  async account(namespace: string, name: string): Promise<PodAccount> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const spec = { expirationSeconds: 3600 };
    const { status } = (await this.create(path, { spec })) as { status?: { token?: string } };
    const { token } = status ?? {};
    if (token === undefined) throw new Error(`${path}: no token`);
    const ca = readFileSync(join(this.#dir, 'certificates/apiserver.crt'), 'utf8');
    return { url: this.#url, namespace, token: () => token, ca };
  }

  /** Every kind of object of a namespace. */
  async resources(): Promise<readonly Resource[]> {
    const { groups } = (await this.ask('GET', '/apis')).body as {
      groups?: { versions: { groupVersion: string }[] }[];
    };
    const versions = (groups ?? []).flatMap(group =>
      group.versions.map(each => `/apis/${each.groupVersion}`),
    );
    const found: Resource[] = [];
    for (const version of ['/api/v1', ...versions]) {
      const { resources } = (await this.ask('GET', version)).body as {
        resources?: { name: string; kind: string; namespaced: boolean; verbs: string[] }[];
      };
      for (const { name, kind, namespaced, verbs } of resources ?? [])
        if (namespaced && verbs.includes('list') && verbs.includes('create'))
          found.push({ kind: `${version} ${kind}`, path: ns => `${version}/namespaces/${ns}/${name}` });
    }
    return found;
  }

  /**
   * What is in a namespace, as `kind name`; not what Kubernetes itself puts there, nor what is being deleted: claims wait for a
   * controller to let them go.
   */
  async contents(namespace: string): Promise<readonly string[]> {
    const names = new Set<string>();
    for (const { kind, path } of await this.resources()) {
      const { items } = (await this.ask('GET', path(namespace))).body as { items?: KubeObject[] };
      for (const { metadata } of items ?? [])
        if (metadata.name !== 'kube-root-ca.crt' && metadata.deletionTimestamp === undefined)
          names.add(`${kind.split(' ')[1]} ${metadata.name}`);
    }
    return [...names].sort();
  }

  /** @throws Error with Helm's own words where it fails. */
  async helm(...args: readonly string[]): Promise<string> {
    const ran = await this.tryHelm(...args);
    if (ran.code !== 0) throw new Error(`helm ${args[0]}: ${ran.err.trim().split('\n').slice(-3).join(' ')}`);
    return ran.out;
  }

  tryHelm(...args: readonly string[]): Promise<Ran> {
    const cluster = { server: this.#url, 'insecure-skip-tls-verify': true };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token: this.#token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    const file = this.#write('kubeconfig', JSON.stringify(config));
    const home = ['CACHE', 'CONFIG', 'DATA'].map(name => `HELM_${name}_HOME=${join(this.#dir, 'helm')}`);
    return runProgram('env', [...home, `KUBECONFIG=${file}`, this.#tools.helm, ...args], this.#dir);
  }

  async stop(): Promise<void> {
    for (const each of this.#processes.reverse()) await each.stop();
    await this.#agent.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #write(name: string, text: string): string {
    const path = join(this.#dir, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }
}
