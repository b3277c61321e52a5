/**
 * Stand-ins for the images that the compose file and the Dockerfile name, made of Debian's packages: for machines that reach a Debian mirror
 * and npm, but no image registry. An image that is there already is taken as it is: pull the real ones first to run with them.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ensureNatsServer } from '../../../deploy/local/tools.ts';
import { must } from '../programs.ts';
import type { Say } from '../suite.ts';

const TOOLS = resolve(import.meta.dirname, '../../../.tools');
const ROOT_FS = join(TOOLS, 'conformance-compose', 'bookworm-slim');
/** What a message says to do where one of its programs is missing. */
export const INSTALL =
  'Debian: apt-get install podman buildah runc netavark aardvark-dns catatonit iptables debootstrap.';
const MIRROR = `A Debian mirror is needed. ${INSTALL}`;
/** What Debian's own slim image leaves out. */
const LEFT_OUT = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/locale',
  'usr/share/info',
  'var/cache/apt',
  'var/lib/apt/lists',
];
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const NPM = 'npm@11.19.1';
const REDIS = [
  'redis-server',
  'redis-tools',
  'libhiredis0.14',
  'libjemalloc2',
  'liblua5.1-0',
  'liblzf1',
  'libatomic1',
  'lua-bitop',
  'lua-cjson',
];

export interface Stand {
  readonly image: string;
  readonly entrypoint?: string;
  /** Puts files into the directory that becomes the root. */
  fill(root: string): void | Promise<void>;
}

const STANDS: readonly Stand[] = [
  { image: 'docker.io/library/node:24-bookworm-slim', fill: root => addNode(root) },
  {
    image: 'docker.io/library/nats:2.12-alpine',
    entrypoint: '["nats-server"]',
    async fill(root) {
      place(await ensureNatsServer(), root, 'usr/local/bin/nats-server');
      addPackages(root, ['busybox-static']);
      symlinkSync('busybox', join(root, 'usr/bin/wget'));
    },
  },
  {
    image: 'docker.io/valkey/valkey:8-alpine',
    fill(root) {
      addPackages(root, REDIS);
      for (const name of ['server', 'cli'])
        symlinkSync(`redis-${name}`, join(root, `usr/bin/valkey-${name}`));
    },
  },
  { image: 'docker.io/library/caddy:2-alpine', fill: root => addPackages(root, ['caddy']) },
];

/** Makes those that are not there yet. @returns the names of all. @throws ConformanceError */
export async function ensureBaseImages(say: Say): Promise<readonly string[]> {
  for (const stand of STANDS) {
    if (spawnSync('podman', ['image', 'exists', stand.image]).status === 0) continue;
    say(`making a stand-in for ${stand.image}`);
    ensureRootFs(say);
    await make(stand);
  }
  return STANDS.map(({ image }) => image);
}

function ensureRootFs(say: Say): void {
  if (existsSync(ROOT_FS)) return;
  say("fetching Debian's base packages (minutes, once)");
  const partial = `${ROOT_FS}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  must('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', partial], MIRROR);
  for (const path of LEFT_OUT) rmSync(join(partial, path), { recursive: true, force: true });
  renameSync(partial, ROOT_FS);
}

async function make({ image, entrypoint, fill }: Stand): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'penstock-image-'));
  try {
    await fill(root);
    const container = buildah('from', 'scratch');
    buildah('add', container, ROOT_FS, '/');
    buildah('add', container, root, '/');
    // The registries of packages may be behind a certificate that only this machine knows.
    const certificates = '/etc/ssl/certs/ca-certificates.crt';
    if (existsSync(certificates)) buildah('add', container, certificates, certificates);
    buildah('config', '--env', PATH, '--env', `NODE_EXTRA_CA_CERTS=${certificates}`, container);
    if (entrypoint !== undefined) buildah('config', '--entrypoint', entrypoint, container);
    buildah('commit', '--quiet', container, image);
    buildah('rm', container);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function buildah(...args: string[]): string {
  const { status, stdout } = spawnSync('buildah', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) must('buildah', args, MIRROR);
  return stdout.trim();
}

/** This process' own Node, and npm. */
function addNode(root: string): void {
  place(process.execPath, root, 'usr/local/bin/node');
  const prefix = join(root, 'usr/local/lib');
  must(
    'npm',
    ['install', '--prefix', prefix, '--no-save', '--no-package-lock', NPM],
    'npm needs its registry.',
  );
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
}

function place(file: string, root: string, path: string): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  copyFileSync(file, join(root, path));
}

/** Only their files below /usr: /lib and /bin are links in Debian, which a directory would replace. */
function addPackages(root: string, names: readonly string[]): void {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-packages-'));
  try {
    must('apt-get', ['download', '--quiet', ...names], MIRROR, dir);
    for (const file of globSync('*.deb', { cwd: dir }))
      must('dpkg', ['-x', join(dir, file), join(dir, 'root')], MIRROR);
    const bin = join(dir, 'root/bin');
    if (existsSync(bin)) cpSync(bin, join(root, 'usr/bin'), { recursive: true, verbatimSymlinks: true });
    cpSync(join(dir, 'root/usr'), join(root, 'usr'), { recursive: true, verbatimSymlinks: true });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
