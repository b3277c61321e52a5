/** docker-compose.yml and the Dockerfile, held against what docs/compose.md says of them. Running them is `npm run conformance -- compose`. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ConfigError, readConfig } from '@penstock/runtime/read-config';
import { KeyList } from '@penstock/transport';
import { parse } from 'yaml';
import { consoleConfig } from '../../services/console/config.ts';
import { simConfig } from '../../services/engine-sim/config.ts';
import { ingressConfig } from '../../services/ingress/config.ts';
import { scalerConfig } from '../../services/scaler/config.ts';
import { tasksConfig } from '../../services/tasks/config.ts';
import { workerConfig } from '../../services/worker/config.ts';
import { setUp } from './setup.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');

interface Service {
  readonly image: string;
  readonly build?: { readonly dockerfile: string; readonly target: string };
  readonly command?: readonly string[];
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly restart?: string;
  readonly network_mode?: string;
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly stop_grace_period?: string;
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
/** Those that end by themselves. */
const ONCE = ['setup', 'load'];
/** Those that are made of our images and run for good. */
const own = services.filter(([name, { image }]) => image.startsWith('penstock/') && !ONCE.includes(name));
const dockerfile = read('deploy/images/Dockerfile');
const compileScript = read('deploy/images/compile.sh');
const targets = [...dockerfile.matchAll(/^FROM runtime AS (\S+)$/gm)].map(match => match[1]);

const CONFIGS = {
  ingress: ingressConfig,
  tasks: tasksConfig,
  console: consoleConfig,
  scaler: scalerConfig,
} as const;
const OF_WORKERS = { ...workerConfig.shape, ...simConfig.shape };
/** Read by every service; their names are OpenTelemetry's own. */
const TRACING = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_TRACES_SAMPLER', 'OTEL_TRACES_SAMPLER_ARG'];
const SECRETS = [
  'PENSTOCK_API_KEYS',
  'PENSTOCK_KEY_PEPPER',
  'PENSTOCK_ADMIN_KEYS',
  'PENSTOCK_NATS_URL',
  'PENSTOCK_REDIS_URL',
  'PENSTOCK_ENCRYPTION_KEYS',
  'PENSTOCK_WORK_KEYS',
];

test('every setting in the compose file is one, and secrets are files', () => {
  for (const [name, { environment = {} }] of own) {
    const known: object = CONFIGS[name as keyof typeof CONFIGS]?.shape ?? OF_WORKERS;
    // Every service of ours gets the same settings for its servers and its drain; some have no use for all.
    const shared = { ...workerConfig.shape };
    for (const setting of Object.keys(environment).filter(each => !TRACING.includes(each))) {
      const plain = setting.replace(/_FILE$/, '');
      assert.ok(plain in known || plain in shared, `${name}: ${setting}`);
      assert.ok(!SECRETS.includes(setting), `${name}: ${setting} belongs in a file`);
    }
    for (const secret of SECRETS.filter(each => each in known))
      assert.match(environment[`${secret}_FILE`] ?? '', /^\/run\/penstock\//, `${name}: ${secret}`);
  }
});

test('every service of ours is traced where the user asks for it', () => {
  for (const [name, { environment = {} }] of own)
    for (const each of TRACING) assert.equal(environment[each], `\${${each}:-}`, name);
});

test('Prometheus gathers what every service of ours measures', () => {
  const { scrape_configs } = parse(read('deploy/compose/prometheus.yml')) as {
    readonly scrape_configs: readonly { readonly dns_sd_configs: readonly { readonly names: string[] }[] }[];
  };
  const gathered = scrape_configs.flatMap(job => job.dns_sd_configs.flatMap(({ names }) => names));
  const measuring = ['ingress', 'worker', 'vllm-worker', 'tasks', 'scaler'];
  assert.deepEqual(
    measuring.filter(name => compose.services[name] === undefined),
    [],
  );
  assert.deepEqual(gathered.toSorted(), measuring.toSorted());
});

/** What setup writes into the directory of each service, in a project of its own. @param after another run of it, with other settings. */
function setUpOnce(
  t: TestContext,
  { isCluster = false, isEncrypted = false, after = {} } = {},
): Map<string, Map<string, string>> {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-setup-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const about = { region: 'local', shards: 1, isCluster, isEncrypted };
  const project = { own: dir, services: join(dir, 'services'), ...about };
  const written = () =>
    new Map(
      readdirSync(project.services).map(service => {
        const at = join(project.services, service);
        assert.equal(statSync(at).mode & 0o777, 0o700, service);
        return [service, new Map(readdirSync(at).map(name => [name, readFileSync(join(at, name), 'utf8')]))];
      }),
    );
  setUp(project);
  const first = written();
  setUp(project);
  assert.deepEqual(written(), first, 'made once');
  setUp({ ...project, ...after });
  return written();
}

/** The directory of secrets that a service has at /run/penstock. */
function secretsOf({ volumes = [] }: Service): string | null {
  const [first, ...more] = volumes.flatMap(each => /^(secrets[\w-]*):/.exec(each)?.[1] ?? []);
  assert.deepEqual(more, []);
  return first?.replace('secrets-', '') ?? null;
}

test('each service finds what it is started with, and has none of it that is another’s', t => {
  const written = setUpOnce(t);
  const configs = ['nats.conf', 'nats-cluster.conf'].map(name => read(`deploy/compose/${name}`)).join();
  for (const [name, service] of services.filter(([name]) => name !== 'setup')) {
    const directory = secretsOf(service);
    const text = JSON.stringify(service) + (directory === 'nats' ? configs : '');
    const used = [...text.matchAll(/run\/penstock\/([\w.-]+)/g)].map(match => match[1] ?? '');
    const has = written.get(directory ?? '') ?? new Map();
    const also = directory === 'redis' ? ['redis.acl'] : [];
    assert.deepEqual([...has.keys()].toSorted(), [...new Set([...used, ...also])].toSorted(), name);
  }
  // `secrets` has everything, and `setup` alone sees it.
  for (const [name, service] of services)
    assert.equal(service.volumes?.some(each => each.startsWith('secrets:')) ?? false, name === 'setup', name);
  const passwords = (service: string): readonly string[] =>
    [...(written.get(service)?.values() ?? [])].join().match(/[0-9a-f]{48}/g) ?? [];
  const own = ['ingress', 'worker', 'tasks', 'console', 'scaler'];
  const shared = (service: string) =>
    passwords(service).filter(each =>
      own.some(other => other !== service && passwords(other).includes(each)),
    );
  for (const service of own) {
    // The key of the console is the admin API's too.
    const known = ['ingress', 'console'].includes(service) ? 1 : 0;
    assert.equal(shared(service).length, known, service);
    assert.match(written.get(service)?.get('nats-url') ?? '', new RegExp(`^nats://${service}:`));
  }
});

test('the servers know the users of all roles, and of each other', t => {
  const written = setUpOnce(t, { isCluster: true });
  const of = (service: string, file: string) => written.get(service)?.get(file) ?? '';
  assert.match(of('worker', 'redis-url'), /^redis\+sentinel:\/\/worker:[0-9a-f]{48}@sentinel-1:26379,/);
  const users = [...of('redis', 'redis.acl').matchAll(/^user (\S+)/gm)].map(match => match[1]);
  assert.deepEqual(users, [
    ...['default', 'ingress', 'worker', 'tasks', 'scaler', 'console', 'operator'],
    ...['replica', 'sentinel', 'health'],
  ]);
  assert.match(of('redis', 'redis.acl'), /^user default off$/m);
  assert.match(of('nats', 'nats-auth.conf'), /user: "scaler"/);
  assert.match(of('sentinel', 'sentinel.conf'), /auth-user penstock sentinel/);
});

test('keys for encryption are made where they are asked for, stay, and go to those that need them', t => {
  const files = ['encryption-keys', 'work-keys', 'nats-cipher.conf'];
  const given = (written: ReturnType<typeof setUpOnce>) =>
    Object.fromEntries(
      [...written].map(([service, has]) => [service, files.filter(file => (has.get(file) ?? '') !== '')]),
    );
  const none = given(setUpOnce(t));
  assert.ok(
    Object.values(none).every(has => has.length === 0),
    JSON.stringify(none),
  );
  const written = setUpOnce(t, { isEncrypted: true, after: { isEncrypted: false } });
  const of = (service: string, file: string) => written.get(service)?.get(file) ?? '';
  const { ingress, tasks, worker, nats, ...others } = given(written);
  assert.deepEqual([ingress, tasks], [files.slice(0, 2), files.slice(0, 2)]);
  assert.deepEqual([worker, nats], [['work-keys'], ['nats-cipher.conf']]);
  assert.ok(Object.values(others).every(has => has.length === 0));
  for (const file of ['encryption-keys', 'work-keys'])
    assert.equal(KeyList.parse(of('tasks', file), file).names.length, 1);
  assert.equal(of('ingress', 'work-keys'), of('worker', 'work-keys'));
  assert.match(of('nats', 'nats-cipher.conf'), /^cipher: aes\nkey: "[0-9a-f]{48}"\n$/);
});

test('no service has more rights than it needs', () => {
  for (const [name, service] of services) {
    if (name === 'vllm') continue;
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ['ALL'], name);
    if (name === 'setup') assert.equal(service.network_mode, 'none');
    else {
      assert.deepEqual(service.networks, ['region'], name);
      // Ours are no root by their image.
      assert.ok(service.image.startsWith('penstock/') || service.user === '1000:1000', name);
    }
    for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
  }
});

test('every service is looked after: restarted, healthy before others need it, and given time to end', () => {
  for (const [name, service] of services) {
    if (!ONCE.includes(name)) assert.equal(service.restart, 'unless-stopped', name);
    for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
      const other = compose.services[needed];
      assert.ok(other, `${name} needs ${needed}`);
      const isOnce = needed === 'setup';
      assert.equal(
        condition,
        isOnce ? 'service_completed_successfully' : 'service_healthy',
        `${name}: ${needed}`,
      );
      // Docker waits for ever for the health of a service without a check.
      if (!isOnce) assert.ok(other.healthcheck?.test ?? other.image.startsWith('penstock/'), needed);
    }
  }
  for (const [name, { stop_grace_period: grace = '', environment = {} }] of own)
    assert.ok(Number.parseInt(grace, 10) * 1000 > Number(environment['PENSTOCK_DRAIN_MS']) + 7000, name);
});

test('volumes, networks and targets that are named are there', () => {
  for (const [name, { volumes = [], networks = [], build }] of services) {
    for (const volume of volumes.filter(each => !each.startsWith('.')))
      assert.ok((volume.split(':')[0] ?? '') in compose.volumes, `${name}: ${volume}`);
    for (const file of volumes.filter(each => each.startsWith('.')))
      assert.ok(existsSync(resolve(ROOT, file.split(':')[0] ?? '')), `${name}: ${file}`);
    for (const network of networks) assert.ok(network in compose.networks, `${name}: ${network}`);
    if (build !== undefined) assert.ok(targets.includes(build.target), `${name}: ${build.target}`);
  }
});

test('images run without root, npm or a shell in front, and say how they are', () => {
  assert.ok(targets.length >= 5);
  const [, runtime = ''] = dockerfile.split('FROM scratch AS runtime');
  assert.match(runtime, /^USER 1000:1000$/m);
  assert.match(runtime, /^HEALTHCHECK .* CMD \[/m);
  assert.doesNotMatch(runtime, /^RUN /m, 'what is left out must not be in a layer below');
  assert.equal(runtime.match(/^(CMD|ENTRYPOINT) \["node", /gm)?.length, targets.length);
  assert.doesNotMatch(dockerfile, /^ADD |:latest/m);
});

test('images keep the modules of their services compiled: each is started once, and ends over a setting', () => {
  const built = [...dockerfile.matchAll(/^RUN \/install\.sh (.+) && \/compile\.sh (.+)$/gm)];
  assert.equal(built.length, targets.filter(name => !ONCE.includes(name ?? '')).length);
  for (const [line, installed, compiled] of built) assert.equal(installed, compiled, line);
  const [, made] = /^cache=\$PWD\/(\S+)$/m.exec(compileScript) ?? [];
  assert.match(dockerfile, new RegExp(`NODE_COMPILE_CACHE=/app/${made} `));
  const given = Object.fromEntries(
    [...compileScript.matchAll(/(PENSTOCK_\w+)=(\w+)/g)].map(m => [m[1], m[2]]),
  );
  for (const config of [...Object.values(CONFIGS), workerConfig, simConfig])
    assert.throws(() => readConfig(config, given), ConfigError);
});

test('docs/compose.md names every service', () => {
  const page = read('docs/compose.md');
  for (const [name] of services) assert.ok(page.includes(`\`${name}\``), name);
});

test('what images leave out of packages is nothing that Node loads', () => {
  const all = ['ingress', 'worker', 'tasks', 'console'].map(name => `services/${name}/package.json`);
  const libs = ['runtime', 'transport'].map(name => `libs/${name}/package.json`);
  const names = new Set(
    [...all, ...libs].flatMap(path => Object.keys((JSON.parse(read(path)) as Manifest).dependencies ?? {})),
  );
  const paths = [...names]
    .filter(name => !name.startsWith('@penstock/'))
    .map(name => import.meta.resolve(name));
  assert.ok(paths.some(path => path.includes('/@aws-sdk/')) && paths.some(path => path.includes('/bullmq/')));
  for (const path of paths) assert.doesNotMatch(path, /\/(dist-es|esm|esnext)\//);
});
