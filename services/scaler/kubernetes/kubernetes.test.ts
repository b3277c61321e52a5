/** Against a small stand-in for the API server that keeps versions of objects as it does. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { Leadership } from '@penstock/fleet/leadership';
import { ClusterApi, ClusterError, clusterOf } from './cluster-api.ts';
import { KubernetesDriver } from './kubernetes-driver.ts';
import { KubernetesLease } from './lease.ts';

const SCALE = '/apis/apps/v1/namespaces/ns/deployments/gpu/scale';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/ns/leases';

interface Stored {
  metadata: { name?: string; resourceVersion: string };
  spec: Record<string, unknown>;
}

const objects = new Map<string, Stored>();
const asked: string[] = [];
let version = 0;
let server: Server;
let url: string;

before(async () => {
  server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    asked.push(`${request.method} ${request.headers.authorization} ${request.headers['content-type'] ?? ''}`);
    const [status, body] = answer(
      request.method ?? '',
      request.url ?? '',
      text === '' ? null : JSON.parse(text),
    );
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

function answer(method: string, path: string, body: Stored | null): [number, unknown] {
  const known = objects.get(path);
  const store = (at: string, value: Stored) => {
    const stored = { ...value, metadata: { ...value.metadata, resourceVersion: String(++version) } };
    objects.set(at, stored);
    return stored;
  };
  if (method === 'POST' && body !== null) {
    const at = `${path}/${body.metadata.name}`;
    return objects.has(at) ? [409, { message: 'already exists' }] : [201, store(at, body)];
  }
  if (known === undefined) return [404, { message: 'not found' }];
  if (method === 'GET') return [200, known];
  if (method === 'PATCH') return [200, store(path, { ...known, spec: { ...known.spec, ...body?.spec } })];
  if (body === null || body.metadata.resourceVersion !== known.metadata.resourceVersion)
    return [409, { message: 'the object has been modified' }];
  return [200, store(path, body)];
}

const api = () => new ClusterApi({ url, namespace: 'ns', token: () => 'secret', ca: null }, 5000);

test('a Deployment is scaled by its scale subresource, and by nothing else', async () => {
  objects.set(SCALE, { metadata: { resourceVersion: '1' }, spec: { replicas: 2 } });
  const driver = new KubernetesDriver(api(), [{ name: 'p', workload: 'gpu' }]);
  assert.deepEqual([...(await driver.look())], [['p', 2]]);
  asked.length = 0;
  await driver.order({ pool: 'p', workers: 5, gone: [], reason: 'load' });
  assert.deepEqual(asked, ['PATCH Bearer secret application/merge-patch+json']);
  assert.deepEqual([...(await driver.look())], [['p', 5]]);
});

test('what the API refuses is told in its words', async () => {
  const driver = new KubernetesDriver(api(), [{ name: 'p', workload: 'none' }]);
  await assert.rejects(
    driver.look(),
    (err: unknown) => err instanceof ClusterError && /404: not found/.test(err.message),
  );
});

function candidate(identity: string) {
  const clock = { ms: 1_000_000, now: () => clock.ms, monotonic: () => clock.ms };
  const log = { info: () => {}, warn: () => {} } as never;
  const hold = new KubernetesLease({ api: api(), name: 'l', identity, clock, log });
  return { clock, lease: new Leadership(hold, clock, log) };
}

test('one of two leads, the other only once the lease has not changed for its time', async () => {
  objects.delete(`${LEASES}/l`);
  const [a, b] = [candidate('a'), candidate('b')];
  await a.lease.campaign();
  await b.lease.campaign();
  assert.deepEqual([a.lease.isLeader, b.lease.isLeader], [true, false]);
  // It stops by itself well before anybody else may begin.
  a.clock.ms += 10_001;
  assert.equal(a.lease.isLeader, false);
  b.clock.ms += 14_000;
  await b.lease.campaign();
  assert.equal(b.lease.isLeader, false);
  b.clock.ms += 2000;
  await b.lease.campaign();
  assert.equal(b.lease.isLeader, true);
  await a.lease.campaign();
  assert.equal(a.lease.isLeader, false);
});

test('a lease that is given back is free at once', async () => {
  objects.delete(`${LEASES}/l`);
  const [a, b] = [candidate('a'), candidate('b')];
  await a.lease.campaign();
  await a.lease.stop();
  await b.lease.campaign();
  assert.deepEqual([a.lease.isLeader, b.lease.isLeader], [false, true]);
});

test('a hold lasts for its time where the API does not answer', async () => {
  objects.delete(`${LEASES}/l`);
  const clock = { ms: 0, now: () => clock.ms, monotonic: () => clock.ms };
  let isAway = false;
  const real = api();
  const log = { info: () => {}, warn: () => {} } as never;
  const hold = new KubernetesLease({
    ...{ name: 'l', identity: 'a', clock, log },
    api: { call: (...of) => (isAway ? Promise.reject(new ClusterError(0, 'away')) : real.call(...of)) },
  });
  const lease = new Leadership(hold, clock, log);
  await lease.campaign();
  isAway = true;
  clock.ms = 8000;
  await lease.campaign();
  assert.equal(lease.isLeader, true);
  clock.ms = 10_001;
  assert.equal(lease.isLeader, false);
});

test('where there is no cluster, it is said what is missing', () => {
  assert.throws(() => clusterOf({}), /KUBERNETES_SERVICE_HOST is not set/);
  assert.throws(
    () => clusterOf({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, '/nowhere'),
    /automountServiceAccountToken/,
  );
});
