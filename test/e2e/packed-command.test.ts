/** The packed command, unpacked from its tarball, with nothing but its own dependencies beside it. `npm run conformance -- package` installs it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { COMMANDS } from '../../deploy/command/commands.ts';
import { importsOf } from '../../deploy/package/imports.ts';
import { packStaged, withStagedPackage } from '../../deploy/package/pack.ts';
import { PackedCommand, type PackedStart, streamAnswer } from '../../testkit/packed-command.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'penstock-packed-'));
const [work, cache] = [join(dir, 'work'), join(dir, 'cache')];
const modules = join(work, 'node_modules');
const home = join(modules, '@penstock/cli');
const bin = join(home, 'deploy/command/penstock.mjs');
const command = new PackedCommand(work, bin, cache);
let started: PackedStart | null = null;
/** Of everything in the package, before anything was run. */
let fresh: readonly string[] = [];

function json<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

function listing(): string[] {
  return readdirSync(home, { recursive: true, encoding: 'utf8' })
    .map(path => `${path} ${statSync(join(home, path)).mtimeMs}`)
    .sort();
}

before(() => {
  const { tarball } = withStagedPackage(ROOT, staged => packStaged(staged, dir));
  mkdirSync(home, { recursive: true });
  assert.equal(spawnSync('tar', ['-xzf', tarball, '-C', home, '--strip-components=1']).status, 0);
  const { packages } = json<{ packages: Record<string, { optional?: boolean }> }>(
    join(home, 'npm-shrinkwrap.json'),
  );
  for (const path of Object.keys(packages)) {
    // A package inside another comes with it.
    if (path.lastIndexOf('node_modules/') !== 0 || !existsSync(join(ROOT, path))) continue;
    mkdirSync(dirname(join(work, path)), { recursive: true });
    symlinkSync(join(ROOT, path), join(work, path));
  }
  fresh = listing();
});
after(async () => {
  await started?.process.stop();
  rmSync(dir, { recursive: true, force: true });
});

function scripts(): { path: string; code: string }[] {
  return readdirSync(home, { recursive: true, encoding: 'utf8' })
    .filter(path => /\.m?js$/.test(path))
    .map(path => ({ path, code: readFileSync(join(home, path), 'utf8') }));
}

test('the tarball holds JavaScript and all that it imports, and depends on nothing that only development needs', () => {
  const paths = readdirSync(home, { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    paths.filter(path => /\.m?ts$|\.(test|fixture)\./.test(path)),
    [],
  );
  const { dependencies } = json<{ dependencies: Record<string, string> }>(join(home, 'package.json'));
  const missing = scripts().flatMap(({ path, code }) =>
    importsOf(code)
      .filter(name => !/^(node:|k6$|k6\/)/.test(name))
      .filter(name =>
        name.startsWith('.')
          ? !existsSync(join(home, dirname(path), name))
          : !Object.keys(dependencies).some(known => name === known || name.startsWith(`${known}/`)),
      )
      .map(name => `${path}: ${name}`),
  );
  assert.deepEqual(missing, []);
  const { packages } = json<{ packages: Record<string, { dev?: boolean }> }>(
    join(home, 'npm-shrinkwrap.json'),
  );
  assert.deepEqual(
    Object.entries(packages).filter(([, { dev }]) => dev),
    [],
  );
});

test('no path of a module is spelled with the extension of a checkout', () => {
  const spelled = scripts().flatMap(({ path, code }) =>
    code
      .split('\n')
      .filter(
        line => !/^\s*(\/\/|\*|\/\*)/.test(line) && /['"`][^'"`\s]*[\w}](?<!\.test)\.ts['"`]/.test(line),
      )
      .map(line => `${path}: ${line.trim()}`),
  );
  assert.deepEqual(spelled, []);
});

test("the imports that were found are those that Node's own parser finds", () => {
  const list = `const { SourceTextModule } = process.getBuiltinModule('vm'), { readFileSync } = process.getBuiltinModule('fs');
for (const path of JSON.parse(readFileSync(0, 'utf8')))
  console.log(JSON.stringify([path, new SourceTextModule(readFileSync(path, 'utf8').replace(/^#!.*/, '')).moduleRequests.map(({ specifier }) => specifier)]));`;
  const input = JSON.stringify(scripts().map(({ path }) => join(home, path)));
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', '-e', list],
    { input, encoding: 'utf8', maxBuffer: 2 ** 26 },
  );
  assert.equal(stderr, '');
  const found = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as [string, string[]]);
  assert.equal(found.length, scripts().length);
  for (const [path, specifiers] of found) {
    const ours = new Set(importsOf(readFileSync(path, 'utf8')));
    assert.deepEqual(
      specifiers.filter(name => !ours.has(name)),
      [],
      path,
    );
  }
});

test('every command has a help that names it as people call it here', async () => {
  const helps = Object.keys(COMMANDS).map(async name => ({ name, ...(await command.run('help', name)) }));
  for (const { name, code, out, err } of await Promise.all(helps)) {
    assert.equal(err, '');
    assert.equal(code, 0, name);
    assert.match(out, new RegExp(`^usage: .*penstock ${name}\\b`, 'i'));
    assert.doesNotMatch(out, /npm (run|start)/);
  }
});

test('what it is given wrong is told, and an old Node what to do', async () => {
  const { version } = json<{ version: string }>(join(ROOT, 'package.json'));
  assert.deepEqual(await command.run('version'), { code: 0, out: `${version}\n`, err: '' });
  for (const [args, why] of [
    [['strat'], /there is no command strat/],
    [['start', '--port', '1'], /penstock start takes no options \(--port\)/],
    [['plan', '--page'], /--page and --speed write files of the repository/],
  ] as const) {
    const { code, err } = await command.run(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(err, why);
  }
  const old = `Object.defineProperty(process, 'version', { value: 'v22.9.0' }); import(${JSON.stringify(pathToFileURL(bin).href)})`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', old], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /^penstock: this Node is v22\.9\.0; Penstock needs 24\.12 or newer: [^\n]+\n$/);
});

test('`penstock start` streams an answer, serves the console, and is load-tested from the package', async () => {
  started = await command.start();
  await streamAnswer(started);
  const page = await (await fetch(started.console)).text();
  const main = /src="([^"]+\/page\/main\.js)"/.exec(page)?.[1];
  assert.ok(main, page);
  const script = await fetch(`${started.console}${main}`);
  assert.equal(script.status, 200);
  assert.match(await script.text(), /from '\.\/app\.js'/);
  const load = await command.run(
    ...[
      'load',
      'smoke',
      '--url',
      started.url,
      '--key',
      started.key,
      '--runner',
      '--rate',
      '2',
      '--duration',
      '1s',
    ],
  );
  assert.equal(load.code, 0, load.err + load.out);
  assert.match(load.out, /^report {2}\.penstock\/load\/smoke\.html$/m);
  assert.equal((await command.run('dlq', 'list')).out, 'no dead letters\n');
  assert.equal((await command.run('admin', 'projects', 'create', 'packed')).code, 0);
  const made = await command.run('admin', 'keys', 'create', 'packed', '--json');
  const { value: key } = JSON.parse(made.out) as { value: string };
  await streamAnswer({ ...started, key });
});

test('it ends in order on SIGTERM, and has written nothing into its own folder', async () => {
  assert.ok(started);
  const pids = readdirSync(join(work, '.penstock/run')).map(name =>
    Number(readFileSync(join(work, '.penstock/run', name), 'utf8')),
  );
  started.process.kill('SIGTERM');
  await started.process.exited;
  assert.ok(pids.length >= 7);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
  assert.deepEqual(readdirSync(work).sort(), ['.penstock', 'node_modules']);
  assert.deepEqual(readdirSync(cache), ['penstock']);
  assert.deepEqual(listing(), fresh);
});
