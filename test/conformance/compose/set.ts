/** The images and the compose file, run as a user runs them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensurePython, must, runProgram } from '../programs.ts';
import { runChecks, type SuiteSet } from '../suite.ts';
import { ensureBaseImages, INSTALL } from './base-images.ts';
import { ComposeProject, podman } from './project.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const NOTES = `The Dockerfile built by Buildah, and \`docker-compose.yml\` run by Podman with podman-compose. Base and server images are those that are there;
where no registry can be reached, stand-ins made of Debian's packages, npm's Node and the project's nats-server. Podman 4.3 starts a service without waiting
for the health of those it depends on, so their order is proved by the services themselves; the health checks are run one by one.`;
/** Each with the services that are in it. */
const IMAGES = ['ingress', 'worker', 'tasks', 'console', 'scaler', 'simulated-node', 'load'];
const MOST_MB = 250;

interface Inspected {
  readonly Size: number;
  readonly User: string;
  readonly HealthCheck?: { readonly Test: readonly string[] };
  readonly Healthcheck?: { readonly Test: readonly string[] };
  readonly Labels: Readonly<Record<string, string>>;
}

export const COMPOSE: SuiteSet = {
  title: 'Images and compose',
  notes: NOTES,
  async run(say) {
    const python = ensurePython('compose', join(import.meta.dirname, 'requirements.txt'), say);
    const project = new ComposeProject(python);
    await ensureBaseImages(say);
    for (const name of IMAGES) build(name);
    try {
      await project.up();
      const cases = await runChecks({ ...imageChecks(), ...projectChecks(project) }, say);
      const judge = `${podman('--version')}, podman-compose ${python.version('podman-compose')}`;
      return [{ suite: 'compose', judge, unit: 'checks', cases }];
    } finally {
      await project.down();
      project.forget();
    }
  },
};

function build(target: string): void {
  const args = ['bud', '--quiet', '--layers', '--format', 'docker', '--file', 'deploy/images/Dockerfile'];
  must('buildah', [...args, '--target', target, '--tag', tagOf(target), '.'], INSTALL, ROOT);
}

function tagOf(image: string): string {
  return `penstock/${image}:local`;
}

function imageChecks() {
  return Object.fromEntries(
    IMAGES.map(image => [
      `the image ${image} is below ${MOST_MB} MB, has no npm, no root, labels and, where it serves, a health check`,
      async () => {
        const [about] = JSON.parse(podman('image', 'inspect', tagOf(image))) as Inspected[];
        assert.ok(about);
        assert.ok(about.Size < MOST_MB * 1e6, `${Math.round(about.Size / 1e6)} MB`);
        assert.equal(about.User, '1000:1000');
        const health = (about.HealthCheck ?? about.Healthcheck)?.Test ?? [];
        assert.equal(health.length > 0 && health[0] !== 'NONE', image !== 'load');
        assert.equal(about.Labels['org.opencontainers.image.licenses'], 'Apache-2.0');
        const npm = podman(
          'run',
          '--rm',
          '--network=none',
          '--entrypoint=sh',
          tagOf(image),
          '-c',
          'command -v npm npx || echo none',
        );
        assert.equal(npm, 'none');
      },
    ]),
  );
}

function projectChecks(project: ComposeProject) {
  return {
    'a token is streamed through the proxy with the key that was made': async () => {
      const answer = await fetch(`${project.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${project.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'sim-chat',
          stream: true,
          max_tokens: 5,
          messages: [{ role: 'user', content: 'Hello' }],
        }),
      });
      assert.equal(answer.status, 200);
      const text = await answer.text();
      assert.match(text, /"content":"\S/);
      assert.match(text, /data: \[DONE\]\s*$/);
    },
    'the console answers, and lets its key in': async () => {
      const key = podman('exec', project.container('console'), 'cat', '/run/penstock/admin-key');
      const login = (given: string) =>
        fetch(`${project.consoleUrl}/api/session`, {
          method: 'POST',
          body: JSON.stringify({ key: given }),
          headers: { origin: project.consoleUrl, 'content-type': 'application/json' },
        });
      assert.equal((await fetch(project.consoleUrl)).status, 200);
      assert.ok((await login(key)).headers.has('set-cookie'));
      assert.ok(!(await login('not-the-key')).headers.has('set-cookie'));
    },
    'every service is healthy by its own health check': async () => {
      for (const service of ['nats', 'redis', 'ingress', 'worker', 'tasks', 'console'])
        podman('healthcheck', 'run', project.container(service));
    },
    'services run with a read-only root, without capabilities, and never as root': async () => {
      for (const service of ['ingress', 'worker', 'tasks', 'console']) {
        const name = project.container(service);
        assert.equal(podman('exec', name, 'id', '-u'), '1000');
        assert.throws(() => podman('exec', name, 'touch', '/app/x'), /Read-only file system/);
        assert.match(podman('exec', name, 'grep', 'CapEff', '/proc/1/status'), /0000000000000000$/);
      }
    },
    'no secret is in the environment, the command line or the log of a container': async () => {
      const url = podman('exec', project.container('ingress'), 'cat', '/run/penstock/nats-url');
      const { password } = new URL(url);
      assert.match(password, /^[0-9a-f]{48}$/);
      for (const name of project.running()) {
        const seen = podman('inspect', name) + podman('logs', name);
        assert.ok(!seen.includes(project.key) && !seen.includes(password), name);
      }
    },
    'the smoke load test passes': () => load(project, 'smoke', { RATE: '4', DURATION: '5s' }),
    'four workers in place of two, under load, lose nothing': async () => {
      const before = project.running('worker').length;
      assert.equal(before, 2);
      const underLoad = load(project, 'load', { RATE: '8', DURATION: '25s' });
      await project.up('--scale', 'worker=4');
      await underLoad;
      assert.equal(project.running('worker').length, 4);
    },
    'the load test of the profile passes, and keeps its report': async () => {
      const options = [
        '--rate',
        '4',
        '--duration',
        '5s',
        '-e',
        'SLO_TTFT_MS=20000',
        '-e',
        'SLO_TPOT_MS=2000',
      ];
      const said = await project.runOnce('loadtest', 'load', 'smoke', ...options, '--max-late', '30s');
      assert.match(said, /report .*smoke\.html/);
    },
    'a second ingress node is found by the proxy and serves': async () => {
      await project.up('--scale', 'ingress=2');
      await load(project, 'load', { RATE: '8', DURATION: '10s' });
      const served = podman('exec', project.container('ingress', 2), 'node', '-e', COUNT_REQUESTS);
      assert.ok(Number(served) > 0, 'the proxy never chose it');
    },
    ...wallChecks(project),
    'down leaves nothing': async () => {
      await project.down();
      assert.deepEqual(project.left(), []);
    },
  };
}

function wallChecks(project: ComposeProject) {
  return {
    'each service sees its own secrets, and the servers let in nobody without a login': async () => {
      const seen = (service: string) =>
        podman('exec', project.container(service), 'ls', '/run/penstock').split('\n').join(' ');
      assert.equal(seen('ingress'), 'admin-key api-key key-pepper nats-url redis-url');
      assert.equal(seen('console'), 'admin-key nats-url redis-url');
      for (const service of ['worker', 'tasks']) assert.equal(seen(service), 'nats-url redis-url');
      const ask = (port: number, host: string, words: string) =>
        podman('exec', project.container('worker'), 'node', '-e', ASK, host, String(port), words);
      assert.match(ask(4222, 'nats', 'CONNECT {"verbose":false}\r\nPING\r\n'), /Authorization Violation/);
      assert.match(ask(6379, 'redis', 'PING\r\n'), /NOAUTH/);
    },
    'nothing of all that was asked was denied to the user of a service': async () => {
      // A worker that is there before the first ingress tries to make its queues itself.
      const denied = podman('logs', project.container('nats'))
        .split('\n')
        .filter(
          line =>
            line.includes('Violation') &&
            !/user:worker" - Publish Violation - Subject "\$JS\.API\.CONSUMER\.CREATE/.test(line),
        );
      // Somebody without a login was one of these checks.
      assert.deepEqual(
        denied.filter(line => /user:/.test(line)),
        [],
      );
    },
  };
}

/** Says what a server answers to some words. */
const ASK =
  "const [, host, port, words] = process.argv; const s = require('node:net').connect(port, host, () => s.write(words));" +
  "s.on('data', d => { console.log(String(d)); if (/-ERR|NOAUTH|PONG/.test(d)) s.destroy(); })";

const COUNT_REQUESTS =
  "fetch('http://127.0.0.1:9464/metrics').then(r => r.text()).then(t => console.log(t.split('\\n')" +
  ".filter(l => l.startsWith('penstock_http_requests_total')).reduce((n, l) => n + Number(l.split(' ').at(-1)), 0)))";

/** A load scenario by the project's runner. @throws where an answer is lost or wrong; how fast they are is not judged. */
async function load(project: ComposeProject, scenario: string, env: Record<string, string>): Promise<void> {
  Object.assign(process.env, {
    ...{ SLO_TTFT_MS: '20000', SLO_TPOT_MS: '2000', TIMEOUT: '60s', VUS: '80', MAX_OUTPUT_TOKENS: '100' },
    ...{ PENSTOCK_URL: project.url, PENSTOCK_KEY: project.key, ...env },
  });
  const samples = project.file('samples.json');
  const args = ['loadtest/k6-runner/main.ts', `loadtest/k6/${scenario}.ts`, '--quiet', '--max-late', '30s'];
  const { code } = await runProgram(process.execPath, [...args, '--out', `json=${samples}`], ROOT);
  assert.equal(
    code,
    0,
    `${scenario} left with ${code}: ${errorsIn(samples).join(', ') || 'no request failed'}`,
  );
}

/** What went wrong, by kind, from the samples of a run. */
function errorsIn(samples: string): string[] {
  const counts = new Map<string, number>();
  for (const line of readFileSync(samples, 'utf8').split('\n').filter(Boolean)) {
    const { type, metric, data } = JSON.parse(line) as {
      type: string;
      metric: string;
      data: { tags?: { kind?: string } };
    };
    if (type !== 'Point' || metric !== 'llm_errors') continue;
    const kind = data.tags?.kind ?? 'unknown';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} × ${kind}`);
}
