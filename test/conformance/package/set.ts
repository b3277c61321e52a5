/** The packed command, installed by npm as its users install it; and a whole release, in a clone. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { packStaged, withStagedPackage } from '../../../deploy/package/pack.ts';
import { PackedCommand, streamAnswer } from '../../../testkit/packed-command.ts';
import { waitFor } from '../../../testkit/stack.ts';
import { ensureHelm } from '../kubernetes/tools.ts';
import { runChecks, type Say, type SuiteSet } from '../suite.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const NPM = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
const RELEASE = '99.0.0';
const NOTES = `The tarball of \`npm run package\`, installed by npm into an empty directory, and unpacked and installed by its lock; and \`npm run release\` in a clone of the last
commit. A cheaper test in \`npm test\` unpacks the tarball beside the dependencies of the checkout.`;

export const PACKAGE: SuiteSet = {
  title: 'The packed command',
  notes: NOTES,
  async run(say) {
    const dir = mkdtempSync(join(tmpdir(), 'penstock-conformance-'));
    try {
      const { tarball } = withStagedPackage(ROOT, staged => packStaged(staged, dir));
      const checks = {
        ...installedChecks(dir, tarball),
        ...lockedChecks(dir, tarball),
        ...releaseChecks(dir, say),
      };
      const cases = await runChecks(checks, say);
      const judge = `npm ${run(dir, 'npm', '--version').trim()}, Node ${process.version.slice(1)}`;
      return [{ suite: 'package', judge, unit: 'checks', cases }];
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

/** To its end. @throws with what it said when it fails. */
function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  assert.equal(
    status,
    0,
    `${command} ${args[0]}: ${(error?.message ?? stderr).trim().split('\n').slice(-3).join(' ')}`,
  );
  return stdout;
}

function json<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(...path), 'utf8')) as T;
}

function installedChecks(dir: string, tarball: string) {
  const home = join(dir, 'empty');
  mkdirSync(home);
  const command = new PackedCommand(home, join(home, 'node_modules/.bin/penstock'), join(dir, 'cache'));
  return {
    'npm installs it into an empty directory, without anything that only development needs': async () => {
      run(home, 'npm', 'install', ...NPM, tarball);
      const { devDependencies } = json<{ devDependencies: Record<string, string> }>(ROOT, 'package.json');
      const { packages } = json<{ packages: Record<string, { dev?: boolean }> }>(ROOT, 'package-lock.json');
      const needed = (name: string) => packages[`node_modules/${name}`]?.dev !== true;
      const installed = globSync(Object.keys(devDependencies), { cwd: join(home, 'node_modules') });
      assert.deepEqual(
        installed.filter(name => !needed(name)),
        [],
      );
    },
    'npx finds the command': async () => {
      const { version } = json<{ version: string }>(ROOT, 'package.json');
      assert.equal(run(home, 'npx', '--no', 'penstock', 'version'), `${version}\n`);
    },
    'penstock start streams an answer, and ends in order on SIGTERM': async () => {
      const started = await command.start();
      await streamAnswer(started);
      started.process.kill('SIGTERM');
      await started.process.exited;
      assert.deepEqual(readdirSync(join(home, '.penstock/run')), []);
    },
    'penstock start by npx does the same, and ends in order on Ctrl-C': async () => {
      const started = await command.start('setsid', ['npx', '--no', 'penstock']);
      await streamAnswer(started);
      // As a terminal does: to all of its process group. npx does not pass on a signal that only npx gets.
      process.kill(-started.process.pid, 'SIGINT');
      await started.process.exited;
      await waitFor(() => readdirSync(join(home, '.penstock/run')).length === 0);
      assert.deepEqual(readdirSync(join(home, '.penstock/run')), []);
    },
    'penstock load starts a stack of its own and writes its result in the current directory': async () => {
      const args = ['load', 'smoke', '--runner', '--rate', '2', '--duration', '3s'];
      const { code, err } = await command.run(...args);
      assert.equal(code, 0, err);
      assert.deepEqual(readdirSync(join(home, '.penstock/load')).sort(), ['smoke.html', 'smoke.json']);
    },
    'penstock plan simulates a fleet': async () => {
      const { code, out, err } = await command.run(
        'plan',
        '--seconds',
        '20',
        '--policy',
        'penstock',
        '--json',
      );
      assert.equal(code, 0, err);
      assert.match(out, /^\{"scenario":"uneven"/);
    },
  };
}

function lockedChecks(dir: string, tarball: string) {
  const home = join(dir, 'locked');
  return {
    'unpacked, npm ci installs exactly the versions of package-lock.json': async () => {
      mkdirSync(home);
      run(home, 'tar', '-xzf', tarball, '--strip-components=1');
      run(home, 'npm', 'ci', '--omit=dev', ...NPM);
      const { packages } = json<{ packages: Record<string, { version: string }> }>(ROOT, 'package-lock.json');
      const installed = globSync('node_modules/{*,@*/*}/package.json', { cwd: home });
      assert.ok(installed.length > 50);
      for (const path of installed) {
        const name = path.replace(/\/package\.json$/, '');
        assert.equal(json<{ version: string }>(home, path).version, packages[name]?.version, name);
      }
      assert.match(run(home, 'deploy/command/penstock.mjs', 'help'), /^Usage: penstock COMMAND/);
    },
  };
}

function releaseChecks(dir: string, say: Say) {
  const clone = join(dir, 'clone');
  const out = join(dir, 'releases', RELEASE);
  return {
    'npm run release makes a version whose files, tag and checksums agree': async () => {
      const helm = ensureHelm(say);
      run(dir, 'git', 'clone', '--quiet', ROOT, clone);
      run(clone, 'git', 'switch', '--quiet', '--force-create', 'main');
      for (const [name, value] of Object.entries({ name: 'Conformance', email: 'conformance@example.com' }))
        run(clone, 'git', 'config', `user.${name}`, value);
      symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
      writeFileSync(join(clone, '.git/info/exclude'), 'node_modules\n');
      // Just after a release nothing is new.
      const changelog = join(clone, 'CHANGELOG.md');
      const text = readFileSync(changelog, 'utf8');
      writeFileSync(changelog, text.replace('## Unreleased\n', '## Unreleased\n- News.\n'));
      run(clone, 'git', 'commit', '--quiet', '--all', '--message', 'Say what is new');
      const args = [RELEASE, '--out', join(dir, 'releases')];
      const said = run(
        clone,
        'env',
        `PENSTOCK_HELM=${helm}`,
        process.execPath,
        'deploy/release/main.ts',
        ...args,
      );
      assert.match(said, /Nothing was published/);
      assert.deepEqual(readdirSync(out).sort(), [
        'SHA256SUMS',
        `penstock-${RELEASE}.md`,
        `penstock-${RELEASE}.tgz`,
        `penstock-cli-${RELEASE}.cdx.json`,
        `penstock-cli-${RELEASE}.tgz`,
      ]);
      run(out, 'sha256sum', '--check', '--quiet', 'SHA256SUMS');
      assert.equal(run(clone, 'git', 'describe', '--exact-match').trim(), `v${RELEASE}`);
      assert.equal(run(clone, 'git', 'status', '--porcelain'), '');
      const chart = run(out, 'tar', '-xzOf', `penstock-${RELEASE}.tgz`, 'penstock/Chart.yaml');
      assert.match(chart, new RegExp(`^appVersion: "?${RELEASE}"?$`, 'm'));
    },
    'its bill of materials lists every package that the command is installed with': async () => {
      const { bomFormat, components } = json<{ bomFormat: string; components: { purl: string }[] }>(
        out,
        `penstock-cli-${RELEASE}.cdx.json`,
      );
      assert.equal(bomFormat, 'CycloneDX');
      const { packages } = JSON.parse(
        run(out, 'tar', '-xzOf', `penstock-cli-${RELEASE}.tgz`, 'package/npm-shrinkwrap.json'),
      ) as { packages: Record<string, { version: string }> };
      const listed = new Set(components.map(({ purl }) => decodeURIComponent(purl)));
      for (const [path, { version }] of Object.entries(packages).filter(([path]) => path !== ''))
        assert.ok(listed.has(`pkg:npm/${path.split('node_modules/').at(-1)}@${version}`), path);
    },
  };
}
