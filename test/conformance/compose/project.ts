/** The compose file, run by podman-compose as a user runs it by Docker's: a project of its own name and port. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '../../../testkit/ports.ts';
import { waitFor } from '../../../testkit/stack.ts';
import type { Python, Ran } from '../programs.ts';
import { ConformanceError } from '../suite.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const NAME = 'penstock-conformance';
/** A container may be started on a machine whose cgroups and limits Podman's defaults do not fit; users need none of this. */
const CONTAINERS_CONF = `[containers]
default_ulimits=["nofile=20000:20000","nproc=30000:30000"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
`;
/** A start waits for images, volumes and health checks on a machine of two cores. */
const READY_LIMIT_MS = 180_000;

export class ComposeProject {
  readonly #python: Python;
  readonly #dir = mkdtempSync(join(tmpdir(), 'penstock-compose-'));
  #port = 0;
  #consolePort = 0;
  #key = '';

  constructor(python: Python) {
    this.#python = python;
    const conf = join(this.#dir, 'containers.conf');
    writeFileSync(conf, CONTAINERS_CONF);
    process.env['CONTAINERS_CONF'] = conf;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get consoleUrl(): string {
    return `http://127.0.0.1:${this.#consolePort}`;
  }

  get key(): string {
    return this.#key;
  }

  /** Starts what is not there, and waits until a model is served. */
  async up(...args: readonly string[]): Promise<void> {
    this.#port ||= await freePort();
    this.#consolePort ||= await freePort();
    process.env['PENSTOCK_PORT'] = String(this.#port);
    process.env['PENSTOCK_CONSOLE_PORT'] = String(this.#consolePort);
    // What runs stays: Podman's compose would make it anew, Docker's does not.
    await this.#compose('up', '--detach', '--no-build', '--no-recreate', ...args);
    await waitFor(async () => {
      this.#key = podman('exec', this.container('ingress'), 'cat', '/run/penstock/api-key');
      return (await this.models()).length > 0;
    }, READY_LIMIT_MS);
  }

  async models(): Promise<readonly unknown[]> {
    const answer = await fetch(`${this.url}/v1/models`, {
      headers: { authorization: `Bearer ${this.#key}` },
    });
    return ((await answer.json()) as { data: unknown[] }).data;
  }

  container(service: string, index = 1): string {
    return `${NAME}_${service}_${index}`;
  }

  /** Names of the containers of a service, or of all, that run. */
  running(service = ''): readonly string[] {
    const names = podman('ps', '--format', '{{.Names}}').split('\n');
    return names.filter(name => name.startsWith(`${NAME}_${service}`));
  }

  /** @returns what a service of a profile says that runs once. */
  async runOnce(profile: string, service: string, ...args: readonly string[]): Promise<string> {
    const { out } = await this.#compose('--profile', profile, 'run', '--rm', '--no-deps', service, ...args);
    return out;
  }

  /** Everything that is left of the project: containers, volumes, networks. */
  left(): readonly string[] {
    return [
      ...podman('ps', '--all', '--format', '{{.Names}}').split('\n'),
      ...podman('volume', 'ls', '--format', '{{.Name}}').split('\n'),
      ...podman('network', 'ls', '--format', '{{.Name}}').split('\n'),
    ].filter(name => name.startsWith(NAME));
  }

  /** Podman's compose removes the second and later containers of a service last, and what they hold only when it is asked again. */
  async down(): Promise<void> {
    for (let i = 0; i < 2; i++)
      await this.#compose('down', '--volumes', '--remove-orphans').catch((err: Error) => {
        if (i > 0) throw err;
      });
  }

  /** Path of a file that goes with the project. */
  file(name: string): string {
    return join(this.#dir, name);
  }

  /** Nothing can be asked of it any more. */
  forget(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #compose(...args: readonly string[]): Promise<Ran> {
    const ran = await this.#python.run(
      'podman-compose',
      ['--in-pod=0', '--project-name', NAME, ...args],
      ROOT,
    );
    if (ran.code !== 0)
      throw new ConformanceError(
        `podman-compose ${args.join(' ')} left with ${ran.code}.\n${(ran.out + ran.err).slice(-2000)}`,
      );
    return ran;
  }
}

/** @returns what it says. @throws Error with its error where it fails. */
export function podman(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('podman', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`podman ${args[0]}: ${stderr.trim()}`);
  return stdout.trim();
}
