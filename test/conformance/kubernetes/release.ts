/** Checks of one release: each builds on what the one before it left. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Cluster, KubeObject } from './cluster.ts';

const CHART = resolve(import.meta.dirname, '../../../deploy/helm/penstock');
export const RELEASE = 'penstock';
const MADE = `${RELEASE}-made`;

interface PodSpec {
  readonly runtimeClassName?: string;
  readonly volumes: readonly unknown[];
}

export interface Workload extends KubeObject {
  readonly spec: {
    readonly replicas?: number;
    readonly triggers?: readonly { readonly metadata: Readonly<Record<string, string>> }[];
    readonly template: {
      readonly metadata: { annotations?: Record<string, string> };
      readonly spec: PodSpec;
    };
    readonly volumeClaimTemplates?: readonly Pick<KubeObject, 'metadata'>[];
  };
}
export type Checks = Readonly<Record<string, () => Promise<void>>>;

/** A namespace in which pods are held to `restricted`. */
async function makeNamespace(cluster: Cluster, name: string): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  const made = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
  await cluster.create('/api/v1/namespaces', made);
}

/** Into a namespace of its own. */
export async function install(cluster: Cluster, namespace: string, values: string): Promise<void> {
  await makeNamespace(cluster, namespace);
  await cluster.helm('install', RELEASE, CHART, '--namespace', namespace, '--values', values);
}

export async function render(
  cluster: Cluster,
  namespace: string,
  values: string,
  ...more: readonly string[]
): Promise<readonly Workload[]> {
  const args = ['template', RELEASE, CHART, '--namespace', namespace, '--values', values];
  const api = ['monitoring.coreos.com/v1', 'keda.sh/v1alpha1'].flatMap(each => ['--api-versions', each]);
  return parseAllDocuments(await cluster.helm(...args, ...api, ...more))
    .map(document => document.toJS() as Workload | null)
    .filter(each => each !== null);
}

export async function get<T>(cluster: Cluster, path: string): Promise<T> {
  const { status, body } = await cluster.ask('GET', path);
  assert.equal(status, 200, `${path}: ${body.message}`);
  return body as T;
}

export function releaseChecks(cluster: Cluster, set: string, values: string): Checks {
  const namespace = `ns-${set}`;
  const flags = ['--namespace', namespace, '--values', values];
  const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const ingress = `${deployments}/${RELEASE}-ingress`;
  const secret = () => get<{ data: unknown }>(cluster, `/api/v1/namespaces/${namespace}/secrets/${MADE}`);
  const checksumOf = (workload: Workload) =>
    workload.spec.template.metadata.annotations?.['checksum/secrets'] ?? 'none';
  let first: { data: unknown; checksum: string } | null = null;
  return {
    [`${set}: every object is accepted, with no field that is unknown or there twice`]: async () => {
      await makeNamespace(cluster, namespace);
      const resources = await cluster.resources();
      const objects = await render(cluster, namespace, values);
      assert.ok(objects.length > 10);
      for (const object of objects) {
        const version = object.apiVersion.includes('/') ? `/apis/${object.apiVersion}` : '/api/v1';
        const kind = resources.find(each => each.kind === `${version} ${object.kind}`);
        assert.ok(kind, `${object.apiVersion} ${object.kind} is no kind of a namespace`);
        const path = `${kind.path(namespace)}?dryRun=All&fieldValidation=Strict`;
        await cluster.create(path, object);
      }
    },
    [`${set}: it is installed by Helm`]: async () => {
      await cluster.helm('install', RELEASE, CHART, ...flags);
      const workload = await get<Workload>(cluster, ingress);
      first = { data: (await secret()).data, checksum: checksumOf(workload) };
      assert.match(first.checksum, /^[0-9a-f]{64}$/);
    },
    [`${set}: its pods are let in where pods are held to restricted`]: async () => {
      for (const { kind, metadata, spec } of await render(cluster, namespace, values)) {
        if (kind !== 'Deployment' && kind !== 'StatefulSet') continue;
        await makeRuntimeClass(cluster, spec.template.spec);
        const pod = podOf(metadata.name, spec);
        await cluster.create(`/api/v1/namespaces/${namespace}/pods?dryRun=All&fieldValidation=Strict`, pod);
      }
    },
    [`${set}: an upgrade changes what was changed, and neither keys nor what was scaled`]: async () => {
      const isScaled = (await render(cluster, namespace, values)).some(
        ({ kind, metadata }) =>
          ['ScaledObject', 'HorizontalPodAutoscaler'].includes(kind) &&
          metadata.name === `${RELEASE}-ingress`,
      );
      if (isScaled) await scaleTo(cluster, ingress, 7);
      const changed = ['--set', 'logLevel=debug', '--set', 'pools.added.simulated=true'];
      await cluster.helm('upgrade', RELEASE, CHART, ...flags, ...changed, '--set', 'pools.added.models={m}');
      const after = await get<Workload>(cluster, ingress);
      assert.ok(JSON.stringify(after.spec.template.spec).includes('"debug"'));
      assert.deepEqual((await secret()).data, first?.data, 'keys were made anew');
      assert.equal(checksumOf(after), first?.checksum);
      if (isScaled) assert.equal(after.spec.replicas, 7, 'the upgrade undid what an autoscaler did');
      await get(cluster, `${deployments}/${RELEASE}-worker-added`);
    },
    [`${set}: a rollback brings back what was before`]: async () => {
      await cluster.helm('rollback', RELEASE, '1', '--namespace', namespace);
      const after = await get<Workload>(cluster, ingress);
      assert.ok(!JSON.stringify(after.spec.template.spec).includes('"debug"'));
      assert.equal(checksumOf(after), first?.checksum);
      assert.deepEqual((await secret()).data, first?.data);
      assert.equal((await cluster.ask('GET', `${deployments}/${RELEASE}-worker-added`)).status, 404);
    },
    [`${set}: it is uninstalled and leaves nothing but files that shall be kept`]: async () => {
      const claims = (await render(cluster, namespace, values)).filter(
        ({ kind, metadata }) =>
          kind === 'PersistentVolumeClaim' &&
          JSON.stringify(metadata).includes('"helm.sh/resource-policy":"keep"'),
      );
      await cluster.helm('uninstall', RELEASE, '--namespace', namespace);
      const kept = claims.map(({ metadata }) => `PersistentVolumeClaim ${metadata.name}`);
      assert.equal((await cluster.contents(namespace)).join(', '), kept.join(', '));
    },
  };
}

/** As a controller makes it of a workload: a StatefulSet's has its claims as volumes. */
function podOf(name: string, { template, volumeClaimTemplates = [] }: Workload['spec']) {
  const claims = volumeClaimTemplates.map(({ metadata }) => ({
    name: metadata.name,
    persistentVolumeClaim: { claimName: `${metadata.name}-${name}-0` },
  }));
  const { volumes, ...rest } = template.spec;
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { ...template.metadata, name: `${name}-0` } },
    spec: { ...rest, volumes: [...volumes, ...claims] },
  };
}

/** As an autoscaler does it. */
async function scaleTo(cluster: Cluster, workload: string, replicas: number): Promise<void> {
  const type = 'application/merge-patch+json';
  const { status } = await cluster.ask('PATCH', `${workload}/scale`, { spec: { replicas } }, type);
  assert.equal(status, 200);
}

/** The cluster's own, which a pod has to name rightly. */
async function makeRuntimeClass(cluster: Cluster, { runtimeClassName: name }: PodSpec): Promise<void> {
  if (name === undefined) return;
  const path = '/apis/node.k8s.io/v1/runtimeclasses';
  if ((await cluster.ask('GET', `${path}/${name}`)).status === 200) return;
  await cluster.create(path, {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name },
    handler: name,
  });
}

/** What nobody of ours may do, and whether the API would notice. */
export function accountChecks(cluster: Cluster, values: string): Checks {
  const namespace = 'ns-accounts';
  const asks = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', '*'];
  const of = ['secrets', 'pods', 'configmaps', 'deployments.apps', 'deployments.apps/scale', '*.*'];
  return {
    'accounts of the chart may do nothing, and have no token': async () => {
      await install(cluster, namespace, values);
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
      const { items } = await get<{ items: (KubeObject & { automountServiceAccountToken?: boolean })[] }>(
        cluster,
        path,
      );
      assert.equal(items.length, 6, 'one each of ingress, worker, tasks, console, NATS and Valkey');
      for (const { metadata, automountServiceAccountToken: isMounted } of items) {
        assert.equal(isMounted, false, metadata.name);
        const user = `system:serviceaccount:${namespace}:${metadata.name}`;
        for (const verb of asks)
          for (const what of of) {
            assert.equal(
              await mayDo(cluster, user, namespace, verb, what),
              false,
              `${user} may ${verb} ${what}`,
            );
            assert.equal(
              await mayDo(cluster, user, 'kube-system', verb, what),
              false,
              `${user}: kube-system`,
            );
          }
      }
    },
    'an account that was given a role is noticed': async () => {
      const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
      const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }];
      await cluster.create(`${path}/roles`, { metadata: { name: 'too-much' }, rules });
      const subjects = [{ kind: 'ServiceAccount', name: `${RELEASE}-ingress`, namespace }];
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'too-much' };
      await cluster.create(`${path}/rolebindings`, { metadata: { name: 'too-much' }, subjects, roleRef });
      const user = `system:serviceaccount:${namespace}:${RELEASE}-ingress`;
      assert.equal(await mayDo(cluster, user, namespace, 'get', 'secrets'), true);
    },
    'a pod with more rights than restricted is refused': async () => {
      // Nothing about rights: an ordinary pod.
      const spec = { containers: [{ name: 'c', image: 'c' }], serviceAccountName: `${RELEASE}-ingress` };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec };
      await assert.rejects(
        cluster.create(`/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod),
        /violates PodSecurity "restricted/,
      );
    },
    'a field that no kind has is refused': async () => {
      const labels = { name: 'x' };
      const object = { metadata: { name: 'x', labels }, spec: { podSelector: {}, ingres: [] } };
      const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
      await assert.rejects(
        cluster.create(`${path}?dryRun=All&fieldValidation=Strict`, object),
        /unknown field/,
      );
    },
  };
}

/** @param what `deployments.apps/scale`; with a name, that one alone. */
export async function mayDo(
  cluster: Cluster,
  user: string,
  namespace: string,
  verb: string,
  what: string,
  name = '',
): Promise<boolean> {
  const [kind = '', subresource] = what.split('/');
  const [resource = '', ...group] = kind.split('.');
  const resourceAttributes = {
    ...{ namespace, verb, group: group.join('.'), resource, name },
    ...(subresource && { subresource }),
  };
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
  const { status } = (await cluster.create('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: { user, groups, resourceAttributes },
  })) as { status: { allowed: boolean } };
  return status.allowed;
}
