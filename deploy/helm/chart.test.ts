/** The chart, held against what it deploys. Installing it is `npm run conformance -- kubernetes`. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { WORK_KINDS } from '@penstock/policy';
import { ENDPOINT_TABLE, ENDPOINTS, toModelSlug, workConsumer, workStream } from '@penstock/protocol';
import { parse } from 'yaml';
import type { z } from 'zod';
import { consoleConfig } from '../../services/console/config.ts';
import { simConfig } from '../../services/engine-sim/config.ts';
import { ingressConfig } from '../../services/ingress/config.ts';
import { scalerConfig } from '../../services/scaler/config.ts';
import { parsePools } from '../../services/scaler/pools.ts';
import { tasksConfig } from '../../services/tasks/config.ts';
import { workerConfig } from '../../services/worker/config.ts';
import { registeredMetrics } from '../../testkit/telemetry/metric-catalogue.ts';
import { CHART, COMPONENTS, environmentOf, settingOf } from './env-names.ts';
import { chartFiles } from './main.ts';
import { helm, type Rendered, rendered, SETS, skip, template } from './rendered.fixture.ts';
import { openSettings, readValues } from './schema.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');
const chart = (path: string) => readFileSync(join(CHART, path), 'utf8');
const templates = readdirSync(join(CHART, 'templates')).map(name => chart(`templates/${name}`));
const allTemplates = templates.join('\n');

const CONFIGS = {
  ingress: ingressConfig.shape,
  worker: { ...workerConfig.shape, ...simConfig.shape },
  tasks: tasksConfig.shape,
  console: consoleConfig.shape,
  scaler: scalerConfig.shape,
} as const;
/** Node's own, and OpenTelemetry's. */
const OTHERS = /^(NODE_EXTRA_CA_CERTS|OTEL_.*)$/;
const SECRET = /KEYS?$|_URL$|SECRET|PEPPER|^PENSTOCK_WEBHOOKS$/;
/** Those that hold no secret all the same. */
const PLAIN = ['PENSTOCK_ENGINE_URL', 'PENSTOCK_FILES_S3_SSE_KMS_KEY'];

test('every variable that the chart sets is a setting of that service, and secrets are files', () => {
  for (const component of COMPONENTS) {
    const names = environmentOf(component);
    assert.ok(names.length >= 8, component);
    assert.equal(new Set(names.map(settingOf)).size, new Set(names).size, `${component} sets one twice`);
    for (const name of names.filter(each => !OTHERS.test(each))) {
      assert.ok(settingOf(name) in CONFIGS[component], `${component}: ${name}`);
      if (SECRET.test(settingOf(name)) && !PLAIN.includes(name))
        assert.ok(name.endsWith('_FILE'), `${component}: ${name} belongs in a file`);
    }
  }
});

test('a service is given every secret that it needs, and what all must agree on comes from one value', () => {
  for (const [component, secrets] of Object.entries({
    ingress: [
      'PENSTOCK_API_KEYS',
      'PENSTOCK_ADMIN_KEYS',
      'PENSTOCK_KEY_PEPPER',
      'PENSTOCK_NATS_URL',
      'PENSTOCK_REDIS_URL',
      'PENSTOCK_ENCRYPTION_KEYS',
      'PENSTOCK_WORK_KEYS',
      'PENSTOCK_TLS_CERT',
      'PENSTOCK_TLS_KEY',
    ],
    worker: ['PENSTOCK_WORK_KEYS', 'PENSTOCK_ENGINE_API_KEY', 'PENSTOCK_NATS_URL', 'PENSTOCK_REDIS_URL'],
    tasks: [
      ...['PENSTOCK_ENCRYPTION_KEYS', 'PENSTOCK_WORK_KEYS'],
      'PENSTOCK_WEBHOOKS',
      'PENSTOCK_NATS_URL',
      'PENSTOCK_REDIS_URL',
    ],
    console: ['PENSTOCK_ADMIN_KEYS', 'PENSTOCK_VIEWER_KEYS', 'PENSTOCK_NATS_URL', 'PENSTOCK_REDIS_URL'],
    scaler: ['PENSTOCK_NATS_URL', 'PENSTOCK_REDIS_URL'],
  } as const))
    for (const secret of secrets)
      assert.ok(environmentOf(component as 'ingress').includes(`${secret}_FILE`), `${component}: ${secret}`);
  for (const component of COMPONENTS)
    for (const name of openSettings(component)) {
      const about = (CONFIGS[component] as Record<string, { description?: string }>)[name]?.description ?? '';
      assert.doesNotMatch(about, /Must be the same/, `${component}.settings.${name} could differ`);
      assert.doesNotMatch(name, SECRET, `${component}.settings.${name} would be in the pod's environment`);
    }
});

test('schema, table of values, alerts and dashboards are what npm run chart writes', () => {
  for (const [path, expected] of chartFiles()) assert.equal(chart(path), expected, path);
  assert.deepEqual(
    readdirSync(join(CHART, 'files/dashboards')).sort(),
    readdirSync(resolve(ROOT, 'deploy/observability/grafana')).sort(),
  );
});

test('every value is described, and every one that a template reads is there', () => {
  const { values } = readValues();
  assert.ok(values.length > 150);
  for (const { path, description } of values) assert.ok(description.length > 3, `${path} is not described`);
  const defaults = parse(chart('values.yaml')) as Record<string, unknown>;
  for (const [, path = ''] of allTemplates.matchAll(/(?:\.|\$)\.?Values\.([\w.]+)/g)) {
    if (path.split('.')[0] === 'made') continue;
    let at: unknown = defaults;
    for (const part of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[part];
    assert.notEqual(at, undefined, `.Values.${path}`);
  }
});

test('the chart has the version of the product, and its images are targets of the Dockerfile', () => {
  const { version, appVersion } = parse(chart('Chart.yaml')) as Record<string, string>;
  const product = (JSON.parse(read('package.json')) as { version: string }).version;
  assert.deepEqual([version, appVersion], [product, product]);
  const targets = [...read('deploy/images/Dockerfile').matchAll(/^FROM runtime AS (\S+)$/gm)].map(m => m[1]);
  const images = [...allTemplates.matchAll(/"image" (?:\(ternary )?"([\w-]+)"(?: "([\w-]+)")?/g)];
  const named = images.flatMap(([, one, other]) => (other === undefined ? [one] : [one, other]));
  // A load test is run, not installed.
  assert.deepEqual([...new Set(named)].sort(), targets.filter(target => target !== 'load').sort());
});

test('what is exposed is every path of the API, and not its metrics', () => {
  const { expose } = parse(chart('values.yaml')) as { expose: { paths: string[] } };
  const isReached = (path: string) => expose.paths.some(each => path === each || path.startsWith(`${each}/`));
  for (const path of ENDPOINTS.flatMap(endpoint => ENDPOINT_TABLE[endpoint].paths))
    assert.ok(isReached(path), path);
  for (const path of ['/metrics', '/livez', '/readyz']) assert.ok(!isReached(path), path);
});

test('metrics that scale workers are metrics of theirs', async () => {
  const metrics = new Set((await registeredMetrics()).map(({ name }) => name));
  const named = [...allTemplates.matchAll(/\b(penstock_\w+)(?=\{|,| \})/g)].map(([, name = '']) => name);
  const asked = new Set(named.filter(name => name !== 'penstock_pool'));
  assert.deepEqual([...asked].sort(), [
    'penstock_queue_size',
    'penstock_stream_bytes',
    'penstock_worker_requests_running',
  ]);
  for (const name of asked) assert.ok(metrics.has(name), name);
});

test('the README of the chart names every set of values', () => {
  assert.deepEqual(readdirSync(join(CHART, 'ci')).sort(), SETS.map(name => `${name}-values.yaml`).sort());
  for (const name of SETS) assert.ok(chart('README.md').includes(`\`${name}\``), name);
});

// What follows needs Helm.

const podsOf = (objects: readonly Rendered[]) =>
  objects
    .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    .map(({ metadata, spec }) => ({ name: metadata.name, pod: spec.template.spec }));

test('helm lint finds nothing in any set', { skip }, () => {
  for (const set of SETS) {
    const values = join(CHART, `ci/${set}-values.yaml`);
    const { status, stdout } = spawnSync(helm, ['lint', '--strict', CHART, '--values', values], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, `${set}: ${stdout}`);
  }
});

test('every pod of every set has the rights of `restricted`, a read-only root and time to drain', {
  skip,
}, () => {
  for (const set of SETS)
    for (const { name, pod } of podsOf(rendered(set))) {
      const where = `${set}: ${name}`;
      assert.equal(pod.automountServiceAccountToken, name.endsWith('-scaler'), where);
      assert.equal(pod.securityContext['runAsNonRoot'], true, where);
      assert.deepEqual(pod.securityContext['seccompProfile'], { type: 'RuntimeDefault' }, where);
      for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
        const { securityContext: rights, env = [] } = container;
        assert.equal(rights['allowPrivilegeEscalation'], false, where);
        assert.deepEqual(rights['capabilities'], { drop: ['ALL'] }, where);
        if (container.name !== 'engine') assert.equal(rights['readOnlyRootFilesystem'], true, where);
        assert.equal(new Set(env.map(each => each.name)).size, env.length, `${where} sets one twice`);
        const drainMs = Number(env.find(each => each.name === 'PENSTOCK_DRAIN_MS')?.value ?? 0);
        const lameMs = Number(env.find(each => each.name === 'PENSTOCK_LAME_DUCK_MS')?.value ?? 0);
        assert.ok(pod.terminationGracePeriodSeconds >= (lameMs + drainMs) / 1000 + 15, where);
      }
    }
});

test('settings that are rendered are such that their service starts with them', { skip }, () => {
  for (const set of SETS)
    for (const { metadata, spec } of rendered(set).filter(({ kind }) => kind === 'Deployment')) {
      const component = metadata.labels['app.kubernetes.io/component'] as keyof typeof CONFIGS;
      const env = spec.template.spec.containers.flatMap(container => container.env ?? []);
      for (const { name, value } of env) {
        const setting = (CONFIGS[component] as Record<string, z.ZodType>)[name];
        if (value === undefined || setting === undefined) continue;
        assert.equal(setting.safeParse(value).error, undefined, `${set}: ${component}: ${name}=${value}`);
      }
    }
});

test('KEDA sums the queues of a model under the names that workers give them', { skip }, () => {
  const models = ['Qwen/Qwen3-0.6B', 'my-adapter'];
  const objects = rendered('gpu-pools');
  const scaled = objects.find(each => each.kind === 'ScaledObject' && each.metadata.name.endsWith('-qwen'));
  assert.ok(scaled);
  const consumers = models.flatMap(model =>
    WORK_KINDS.flatMap(({ lane, size }) =>
      lane === 'bound'
        ? []
        : [workConsumer({ region: 'local', shard: 0, slug: toModelSlug(model), lane, size })],
    ),
  );
  const { triggers, advanced } = scaled.spec;
  assert.deepEqual(triggers.map(({ metadata }) => metadata['consumer']).sort(), consumers.sort());
  for (const { name, metadata } of triggers) {
    assert.equal(metadata['stream'], workStream('local', 0));
    assert.equal(metadata['natsServerMonitoringEndpoint'], 'penstock-nats-headless.ns.svc:8222');
    assert.equal(metadata['lagThreshold'], '96');
    assert.ok(advanced.scalingModifiers.formula.split(/ \+ | \* /).includes(name), name);
  }
  assert.equal(advanced.scalingModifiers.target, '96', '128 slots, three quarters of them');
  const { replicas } = objects.find(
    each => each.kind === 'Deployment' && each.metadata.name.endsWith('-qwen'),
  )?.spec ?? { replicas: -1 };
  assert.equal(replicas, undefined, 'an upgrade would undo what was scaled');
});

test('the scaler is given the pools that it has, and rights to their size and to its lease alone', {
  skip,
}, () => {
  const objects = rendered('builtin-scaler');
  const scaler = objects.find(each => each.kind === 'Deployment' && each.metadata.name === 'penstock-scaler');
  const env = scaler?.spec.template.spec.containers[0]?.env ?? [];
  const pools = parsePools(env.find(({ name }) => name === 'PENSTOCK_POOLS')?.value ?? '');
  assert.deepEqual(
    pools.map(({ name, workload, least, most, pricePerHour }) => ({
      name,
      workload,
      least,
      most,
      pricePerHour,
    })),
    [
      { name: 'a100', workload: 'penstock-worker-a100', least: 0, most: 16, pricePerHour: 7.1 },
      { name: 'h100', workload: 'penstock-worker-h100', least: 1, most: 8, pricePerHour: 12.4 },
    ],
  );
  const role = objects.find(({ kind }) => kind === 'Role') as unknown as { rules: readonly object[] };
  assert.deepEqual(role.rules, [
    {
      ...{ apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['get', 'patch'] },
      resourceNames: pools.map(({ workload }) => workload),
    },
    {
      ...{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'update'] },
      resourceNames: ['penstock-scaler-local'],
    },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
  ]);
  for (const { workload } of pools) {
    const worker = objects.find(each => each.kind === 'Deployment' && each.metadata.name === workload);
    assert.equal(worker?.spec.replicas, undefined, 'an upgrade would undo what was scaled');
  }
  const fixed = objects.find(
    each => each.kind === 'Deployment' && each.metadata.name === 'penstock-worker-fixed',
  );
  assert.equal(fixed?.spec.replicas, 1);
});

test('keys of encryption and the certificate are mounted where they are read, and nowhere else', {
  skip,
}, () => {
  const mounted = (set: 'minimal' | 'production', path: string) =>
    podsOf(rendered(set))
      .filter(({ pod }) => JSON.stringify(pod.volumes).includes(`"path":"${path}"`))
      .map(({ name }) => name.replace('penstock-', ''))
      .sort();
  assert.deepEqual(mounted('minimal', 'work-keys'), []);
  assert.deepEqual(mounted('production', 'encryption-keys'), ['ingress', 'tasks']);
  assert.deepEqual(mounted('production', 'work-keys'), [
    ...['ingress', 'tasks', 'worker-deepseek', 'worker-llama-70b'],
  ]);
  const objects = rendered('production');
  const ingress = podsOf(objects).find(({ name }) => name === 'penstock-ingress');
  assert.ok(JSON.stringify(ingress?.pod.volumes).includes('"secretName":"api-certificate"'));
  const env = ingress?.pod.containers[0]?.env ?? [];
  assert.equal(env.find(({ name }) => name === 'PENSTOCK_ENCRYPT_QUEUE')?.value, 'all');
  const ports = objects.flatMap(({ kind, metadata, spec }) =>
    kind === 'Service' ? [[metadata.name, JSON.stringify(spec)] as const] : [],
  );
  for (const [name, spec] of ports)
    assert.equal(spec.includes('"appProtocol":"https"'), name === 'penstock-ingress', name);
  const { stdout } = template(
    ...['--set', 'nats.bundled.enabled=true,redis.bundled.enabled=true'],
    ...['--set', 'nats.bundled.cipher.existingSecret=nats-cipher'],
  );
  assert.match(stdout, /include "..\/..\/run\/nats-cipher\/cipher.conf"/);
  assert.match(stdout, /secretName: nats-cipher,/);
});

test('a model has the slug that workers give it', { skip }, () => {
  for (const model of ['ORG/Llama-3.3 70B', '--x', 'Größe/模型', 'a'.repeat(60), 'plain_name-1']) {
    const args = ['--set-json', `pools={"p":{"models":[${JSON.stringify(model)}],"simulated":true}}`];
    const { stdout, said } = template(
      ...['--set', 'nats.bundled.enabled=true,redis.bundled.enabled=true,autoscaling.provider=keda', ...args],
    );
    assert.ok(
      stdout.includes(`consumer: "${toModelSlug(model)}_interactive_short"`),
      `${model}: ${said.slice(-300)}`,
    );
  }
});

test('a mistake is refused with what to do', { skip }, () => {
  const servers = 'nats.url=nats://n:4222,redis.url=redis://r:6379';
  const mistakes: [set: string, told: RegExp][] = [
    ['redis.url=redis://r:6379', /where is NATS\? Set one of nats\.url/],
    [`${servers},nats.bundled.enabled=true`, /where is NATS\? Set one of/],
    [
      'redis.url=redis://r:6379,nats.loginSecrets.ingress=x',
      /nats\.loginSecrets\.(console|tasks) is empty: name the Secret/,
    ],
    [`${servers},pools.a.models={m}`, /pools\.a needs one engine/],
    [`${servers},pools.a.engine.url=http://e,pools.a.simulated=true`, /pools\.a needs one engine/],
    [`${servers},autoscaling.provider=keda,pools.a.simulated=true`, /pools\.a\.models is empty/],
    [
      `${servers},autoscaling.provider=keda,pools.a.simulated=true,pools.a.models={m}`,
      /set nats\.monitoringEndpoint/,
    ],
    [
      `${servers},autoscaling.provider=keda,shards=2,nats.monitoringEndpoint=n:8222,pools.a.simulated=true,pools.a.models={m}`,
      /use prometheus/,
    ],
    [`${servers},expose.kind=gateway,expose.hostnames={a}`, /expose\.gateway\.parentRefs is empty/],
    [`${servers},expose.kind=ingress`, /expose\.hostnames is empty/],
    [`${servers},encryption.keys.existingSecret=k`, /belong together: name both or none/],
    [`${servers},encryption.mode=yes`, /encryption\/mode/],
    [`${servers},autoscaling.provider=magic`, /autoscaling\/provider/],
    [`${servers},ingress.settings.PENSTOCK_AFINITY=none`, /PENSTOCK_AFINITY/],
    [`${servers},ingres.replicas=3`, /ingres/],
  ];
  for (const [set, told] of mistakes) {
    const { status, said } = template('--set', set);
    assert.notEqual(status, 0, set);
    assert.match(said, told, set);
  }
});

test('notes can be followed: every object that they name is there', { skip }, () => {
  for (const set of SETS) {
    const values = join(CHART, `ci/${set}-values.yaml`);
    const { stdout, status } = spawnSync(
      helm,
      ['install', 'penstock', CHART, '--namespace', 'ns', '--dry-run=client', '--values', values],
      { encoding: 'utf8', maxBuffer: 1e8 },
    );
    assert.equal(status, 0, set);
    const notes = stdout.slice(stdout.indexOf('NOTES:'));
    const names = rendered(set).map(({ kind, metadata }) => `${kind.toLowerCase()} ${metadata.name}`);
    const named = [...notes.matchAll(/\b(deployment|secret|service)[ /]([\w-]+)/g)];
    assert.ok(named.length >= 2, notes);
    for (const [, kind, name] of named.filter(([whole]) => !whole.startsWith('Secret')))
      assert.ok(names.includes(`${kind} ${name}`), `${set}: ${kind} ${name}`);
  }
});
