/** The rules of docs/architecture.md about who may import whom, held against every source file. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { VERSION } from '@penstock/runtime';
import { importsOf, loadedBy } from '../deploy/package/imports.ts';
import { exportsOf } from '../deploy/package/modules.ts';
import { FOLDERS, LOADED, MAY_IMPORT, ONE_ROOM } from './rooms.ts';

const ROOT = resolve(import.meta.dirname, '..');
const MAX_LINES = 400;
/** A folder with more source files than this hides its structure: split it by idea. */
const MAX_FILES = 13;

interface Source {
  /** Relative to the top of the repository. */
  readonly path: string;
  readonly lines: number;
  /** As written. */
  readonly imports: readonly string[];
  /** Those of them that are loaded with it. */
  readonly loaded: readonly string[];
}

function sources(room: string): Source[] {
  return readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts') && !path.includes('node_modules'))
    .map(path => {
      const text = readFileSync(join(ROOT, room, path), 'utf8');
      return {
        path: join(room, path),
        lines: text.trimEnd().split('\n').length,
        imports: importsOf(text),
        loaded: loadedBy(text),
      };
    });
}

/** What the table of folders is about. */
const isInFolder = (path: string) => !/\.test\.ts$|\/index\.ts$/.test(path);

const product = ['libs', 'services'].flatMap(sources).filter(source => !source.path.endsWith('.test.ts'));
const everything = ['libs', 'services', 'loadtest', 'deploy', 'test', 'testkit'].flatMap(sources);

/** The package that a file belongs to: `libs/policy`, `services/worker`; the top for all other rooms. */
function packageOf(path: string): string {
  const [room = '', name = ''] = path.split('/');
  return room === 'libs' || room === 'services' ? `${room}/${name}` : '.';
}

/** A package, or a room that is none. */
function roomOf(path: string): string {
  return packageOf(path) === '.' ? (path.split('/')[0] ?? '') : packageOf(path);
}

function targetOf(from: string, name: string): string {
  return relative(ROOT, resolve(ROOT, dirname(from), name));
}

function ruleFor(path: string): readonly string[] {
  const room = Object.keys(MAY_IMPORT).find(name => path.startsWith(`${name}/`));
  assert.ok(room, `${path} is in no room of the table`);
  return MAY_IMPORT[room] ?? [];
}

/** Who may read the wall clock of the machine, and why: what goes to other processes, or comes from them, is told by `regionClock`. */
const WALL_CLOCK: Record<string, string> = {
  'libs/runtime/time/clock.ts': 'until Redis has said the time',
  'libs/transport/redis/request-trails.ts': 'for whoever has no clock of the region',
  'libs/transport/bullmq/later.ts': 'BullMQ compares it with its own',
  'libs/transport/files/upload-buffer.ts': 'files of this machine',
  'libs/transport/tls/tls-material.ts': 'certificates end by the clock of the machine that looks at them',
  'services/worker/engine/engine.ts': 'an engine that does not show its own',
};

test('the wall clock of a machine is read by nobody whose times go to other processes', () => {
  const isPart = (path: string) => !/^services\/(engine-sim|console\/page)\/|\.fixture\.ts$/.test(path);
  for (const { path } of product.filter(source => isPart(source.path))) {
    const reads = /\bDate\.now\b|new Date\(\)/.test(readFileSync(join(ROOT, path), 'utf8'));
    assert.equal(reads, path in WALL_CLOCK, path);
  }
});

test('errors are logged as errors, so that one place decides what is said of them', () => {
  for (const { path } of product) {
    const words = /\berr: [^,}\n]*\.(message|stack)\b/.exec(readFileSync(join(ROOT, path), 'utf8'));
    assert.equal(words, null, path);
  }
});

test('imports between rooms point one way', () => {
  for (const { path, imports } of product) {
    for (const name of imports.filter(name => name.startsWith('@penstock/'))) {
      const [, lib = ''] = name.split('/');
      assert.ok(ruleFor(path).includes(lib), `${path} imports ${name}`);
    }
    const home = `${packageOf(path)}/`;
    for (const name of imports.filter(name => name.startsWith('.'))) {
      assert.ok(targetOf(path, name).startsWith(home), `${path} reaches into another room: ${name}`);
    }
  }
});

test('imports between the folders of a room point one way', () => {
  const wrong = everything
    .filter(({ path }) => /^(libs|services|loadtest)\//.test(path) && isInFolder(path))
    .flatMap(({ path, imports }) => {
      const [folder, top] = [dirname(path), roomOf(path)];
      const mayImport = FOLDERS[folder] ?? [];
      return imports
        .filter(name => name.startsWith('.'))
        .map(name => dirname(targetOf(path, name)))
        .filter(target => target !== folder && folder !== top && target.startsWith(top))
        .filter(target => !mayImport.includes(target))
        .map(target => `${path} imports from ${target}`);
    });
  assert.deepEqual(wrong, []);
});

test('the table of folders has no row that nothing needs, and no circle', () => {
  const used = new Map<string, Set<string>>();
  for (const { path, imports } of everything.filter(({ path }) => isInFolder(path)))
    for (const name of imports.filter(name => name.startsWith('.'))) {
      const targets = used.get(dirname(path)) ?? new Set();
      used.set(dirname(path), targets.add(dirname(targetOf(path, name))));
    }
  for (const [folder, mayImport] of Object.entries(FOLDERS))
    for (const target of mayImport)
      assert.ok(used.get(folder)?.has(target), `${folder} does not import from ${target}`);
  assert.deepEqual(circles(new Map(Object.entries(FOLDERS))), []);
});

test('policy imports nothing', () => {
  for (const { path, imports } of product.filter(source => source.path.startsWith('libs/policy/')))
    assert.ok(
      imports.every(name => name.startsWith('.')),
      path,
    );
});

test('a vendor is known to one room, in transport to one adapter', () => {
  for (const { path, imports } of product) {
    for (const name of imports) {
      const room = ONE_ROOM[name] ?? ONE_ROOM[name.split('/')[0] ?? ''];
      if (room !== undefined) assert.ok(path.startsWith(`${room}/`), `${path} imports ${name}`);
    }
  }
  for (const vendor of ['nats', 'redis', 'bullmq', 's3']) {
    const others = product.filter(
      ({ path, imports }) =>
        path.startsWith('libs/transport/') &&
        !path.includes(vendor) &&
        imports.some(name => name.includes(vendor) && !name.startsWith('.')),
    );
    assert.deepEqual(
      others.map(source => source.path),
      [],
    );
  }
});

test('no imports go in a circle, not even of types', () => {
  const graph = new Map(
    everything.map(({ path, imports }) => [
      path,
      imports.filter(name => name.startsWith('.')).map(name => targetOf(path, name)),
    ]),
  );
  assert.deepEqual(circles(graph), []);
});

/** Strongly connected sets of more than one file (Tarjan 1972). */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): number => {
    const index = order.size;
    order.set(file, index);
    let low = index;
    stack.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (stack.includes(next)) low = Math.min(low, order.get(next) ?? low);
    }
    lowest.set(file, low);
    if (low === index) {
      const members = stack.splice(stack.indexOf(file));
      if (members.length > 1) found.push(members.sort());
    }
    return low;
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return found;
}

test('a service loads nothing at its start that it may never need', () => {
  const exported = exportsOf(ROOT);
  const sourceOf = new Map(product.map(source => [source.path, source]));
  const loadedByService = (service: string) => {
    const files = new Set([`services/${service}/main.ts`]);
    const packages = new Set<string>();
    for (const file of files)
      for (const name of sourceOf.get(file)?.loaded ?? []) {
        if (name.startsWith('.')) files.add(targetOf(file, name));
        else if (name.startsWith('@penstock/')) files.add(exported.get(name) ?? '');
        else packages.add(name);
      }
    return [...packages].filter(name => !name.startsWith('node:')).sort();
  };
  for (const service of readdirSync(join(ROOT, 'services')))
    assert.deepEqual(loadedByService(service), LOADED[service], service);
});

test('only types are imported of node:http, as its names load much more', () => {
  const wrong = product.filter(({ loaded }) => loaded.some(name => /^node:https?$/.test(name)));
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test('no folder holds more source files than one can keep in mind', () => {
  const counts = new Map<string, number>();
  for (const { path } of everything) {
    if (path.endsWith('.test.ts')) continue;
    counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts].filter(([, files]) => files > MAX_FILES),
    [],
  );
});

/** The top package declares the project's own packages by its `workspaces`. */
test('every package that is imported is declared by the workspace that imports it', () => {
  const undeclared = new Set<string>();
  for (const { path, imports } of everything) {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(
      readFileSync(join(ROOT, packageOf(path), 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string> | undefined>;
    const declared = { ...dependencies, ...devDependencies };
    for (const name of imports) {
      const specifier = name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/');
      const isOwn = packageOf(path) === '.' && specifier.startsWith('@penstock/');
      if (name.startsWith('.') || name.startsWith('node:') || isOwn) continue;
      // k6 brings its modules itself; what is declared are their types.
      if (specifier === 'k6' && Object.hasOwn(declared, '@types/k6')) continue;
      if (!Object.hasOwn(declared, specifier)) undeclared.add(`${packageOf(path)}: ${specifier} (${path})`);
    }
  }
  assert.deepEqual([...undeclared], []);
});

test('the version is set in package.json at the top, and nowhere else', () => {
  const workspaces = ['libs', 'services'].flatMap(room =>
    readdirSync(join(ROOT, room)).map(name => join(room, name, 'package.json')),
  );
  const read = (path: string) =>
    JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as { version?: string; dependencies?: object };
  for (const path of workspaces) {
    const { version, dependencies = {} } = read(path);
    assert.equal(version, undefined, path);
    for (const [name, range] of Object.entries(dependencies))
      if (name.startsWith('@penstock/')) assert.equal(range, '*', `${path}: ${name}`);
  }
  assert.equal(VERSION, read('package.json').version);
});

test('no file is too long to read', () => {
  for (const { path, lines } of everything) assert.ok(lines <= MAX_LINES, `${path} has ${lines} lines`);
});
