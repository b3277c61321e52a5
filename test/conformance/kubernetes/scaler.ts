/** The scaler's own driver and lease, with the account that the chart gives its pod. */
import assert from 'node:assert/strict';
import { Leadership } from '@penstock/fleet/leadership';
import { createLogger } from '@penstock/runtime';
import { ClusterApi, ClusterError } from '../../../services/scaler/kubernetes/cluster-api.ts';
import { KubernetesDriver } from '../../../services/scaler/kubernetes/kubernetes-driver.ts';
import { KubernetesLease } from '../../../services/scaler/kubernetes/lease.ts';
import type { Cluster } from './cluster.ts';
import { type Checks, get, install, mayDo, RELEASE, type Workload } from './release.ts';

const NAMESPACE = 'ns-scaler';
const ACCOUNT = `${RELEASE}-scaler`;
/** Of the set of values `builtin-scaler`, with the region `local`. */
const LEASE = 'penstock-scaler-local';
const SCALED = [`${RELEASE}-worker-h100`, `${RELEASE}-worker-a100`];
const NOT_SCALED = [`${RELEASE}-worker-fixed`, `${RELEASE}-ingress`];
const CALL_LIMIT_MS = 10_000;
const RACES = 20;

const log = createLogger({ service: 'scaler', level: 'fatal' });
const order = (workers: number) => ({ pool: 'p', workers, gone: [], reason: 'load' });

export function scalerChecks(cluster: Cluster, values: string): Checks {
  const apiOf = async () => new ClusterApi(await cluster.account(NAMESPACE, ACCOUNT), CALL_LIMIT_MS);
  const driverOf = async (workload: string) => new KubernetesDriver(await apiOf(), [{ name: 'p', workload }]);
  const read = (workload: string) =>
    get<Workload>(cluster, `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/${workload}`);
  return {
    'scaler: its driver reads and sets the size of what it scales, and changes nothing else of it':
      async () => {
        await install(cluster, NAMESPACE, values);
        for (const workload of SCALED) {
          const driver = await driverOf(workload);
          const before = await read(workload);
          for (const workers of [5, 0, 2]) {
            await driver.order(order(workers));
            assert.deepEqual([...(await driver.look())], [['p', workers]]);
          }
          const after = await read(workload);
          assert.equal(after.spec.replicas, 2);
          assert.deepEqual({ ...after.spec, replicas: 0 }, { ...before.spec, replicas: 0 });
        }
      },
    'scaler: whatever else it tries to scale is refused, and says why': async () => {
      for (const workload of NOT_SCALED) {
        const driver = await driverOf(workload);
        for (const attempt of [driver.look(), driver.order(order(0))])
          await assert.rejects(attempt, (err: unknown) => {
            assert.ok(err instanceof ClusterError);
            assert.equal(err.status, 403);
            assert.match(err.message, new RegExp(`${ACCOUNT}.*cannot (get|patch).*deployments/scale`));
            return true;
          });
      }
    },
    'scaler: its account may do what it needs, and nothing else': async () => {
      for (const [verb, what, name] of ALLOWED)
        assert.ok(await mayScaler(cluster, NAMESPACE, verb, what, name), `${verb} ${what} ${name}`);
      for (const [verb, what, name = ''] of forbidden())
        assert.ok(!(await mayScaler(cluster, NAMESPACE, verb, what, name)), `${verb} ${what} ${name}`);
      for (const [verb, what, name] of ALLOWED)
        assert.ok(!(await mayScaler(cluster, 'default', verb, what, name)), `default: ${verb} ${what}`);
    },
    'scaler: of several that want the lease one leads, however often they race for it': async () => {
      const api = await apiOf();
      for (let race = 0; race < RACES; race++) {
        const rivals = ['a', 'b', 'c', 'd'].map(name => leadership(api, `${name}-${race}`));
        await Promise.all(rivals.map(each => each.campaign()));
        const leaders = rivals.filter(each => each.isLeader);
        assert.equal(leaders.length, 1, `race ${race}: ${leaders.length} lead`);
        await Promise.all(rivals.map(each => each.stop()));
      }
    },
    'scaler: another goes on at once after a leader that left, and not beside one that is there':
      async () => {
        const api = await apiOf();
        const [first, second] = [leadership(api, 'first'), leadership(api, 'second')];
        await first.campaign();
        await second.campaign();
        assert.deepEqual([first.isLeader, second.isLeader], [true, false]);
        await first.stop();
        await second.campaign();
        assert.equal(second.isLeader, true);
        const path = `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases/${LEASE}`;
        const { spec } = await get<{ spec: { holderIdentity: string } }>(cluster, path);
        assert.equal(spec.holderIdentity, 'second');
        await second.stop();
      },
  };
}

function leadership(api: ClusterApi, identity: string): Leadership {
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  return new Leadership(new KubernetesLease({ api, name: LEASE, identity, clock, log }), clock, log);
}

type Right = readonly [verb: string, what: string, name?: string | undefined];

const ALLOWED: readonly Right[] = [
  ...SCALED.flatMap(name => [
    ['get', 'deployments.apps/scale', name] as const,
    ['patch', 'deployments.apps/scale', name] as const,
  ]),
  ['get', 'leases.coordination.k8s.io', LEASE],
  ['update', 'leases.coordination.k8s.io', LEASE],
  ['create', 'leases.coordination.k8s.io'],
];

function forbidden(): Right[] {
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', '*'];
  const all = [
    'secrets',
    'pods',
    'pods/exec',
    'configmaps',
    'serviceaccounts/token',
    'statefulsets.apps/scale',
  ];
  return [
    ...verbs.flatMap(verb => all.map(what => [verb, what] as const)),
    ...verbs.flatMap(verb => SCALED.map(name => [verb, 'deployments.apps', name] as const)),
    ...verbs.flatMap(verb => NOT_SCALED.map(name => [verb, 'deployments.apps/scale', name] as const)),
    ...['update', 'delete', '*'].map(verb => [verb, 'deployments.apps/scale', SCALED[0]] as const),
    ...['list', 'watch', 'patch', 'delete', '*'].map(
      verb => [verb, 'leases.coordination.k8s.io', LEASE] as const,
    ),
    ...['get', 'update'].map(verb => [verb, 'leases.coordination.k8s.io', 'another'] as const),
    ['*', '*.*'],
    ['create', 'rolebindings.rbac.authorization.k8s.io'],
  ];
}

function mayScaler(cluster: Cluster, namespace: string, verb: string, what: string, name = '') {
  return mayDo(cluster, `system:serviceaccount:${NAMESPACE}:${ACCOUNT}`, namespace, verb, what, name);
}
