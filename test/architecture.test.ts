/** The import table of docs/architecture.md, and files that stay readable. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..');
const MAX_LINES = 400;

/** What a room may import of the project's own. Services may not import each other. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'libs/policy': [],
  'libs/protocol': [],
  'libs/transport': ['protocol'],
  'libs/runtime': [],
  services: ['policy', 'protocol', 'transport', 'runtime'],
};
/** Packages that only one room may import. */
const ONE_ROOM: Record<string, string> = {
  '@nats-io/jetstream': 'libs/transport',
  '@nats-io/transport-node': 'libs/transport',
  ioredis: 'libs/transport',
  bullmq: 'libs/transport',
  '@aws-sdk/client-s3': 'libs/transport',
  pino: 'libs/runtime',
  'prom-client': 'libs/runtime',
  fastify: 'services',
};

interface Source {
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly string[];
}

function sources(room: string): Source[] {
  return readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts') && !path.includes('node_modules'))
    .map(path => {
      const text = readFileSync(join(ROOT, room, path), 'utf8');
      const imports = [...text.matchAll(/(?:from|import) '([^']+)'/g)].map(match => match[1] ?? '');
      return {
        path: relative(ROOT, join(ROOT, room, path)),
        lines: text.trimEnd().split('\n').length,
        imports,
      };
    });
}

const product = ['libs', 'services'].flatMap(sources).filter(source => !source.path.endsWith('.test.ts'));

function ruleFor(path: string): readonly string[] {
  const room = Object.keys(MAY_IMPORT).find(name => path.startsWith(`${name}/`));
  assert.ok(room, `${path} is in no room of the table`);
  return MAY_IMPORT[room] ?? [];
}

test('imports between rooms point one way', () => {
  for (const { path, imports } of product) {
    for (const name of imports.filter(name => name.startsWith('@penstock/'))) {
      assert.ok(ruleFor(path).includes(name.slice('@penstock/'.length)), `${path} imports ${name}`);
    }
    const home = path.split('/').slice(0, 2).join('/');
    for (const name of imports.filter(name => name.startsWith('.'))) {
      const target = relative(ROOT, resolve(ROOT, path, '..', name));
      assert.ok(target.startsWith(`${home}/`), `${path} reaches into another room: ${name}`);
    }
  }
});

test('policy imports nothing', () => {
  for (const { path, imports } of product.filter(source => source.path.startsWith('libs/policy/')))
    assert.ok(
      imports.every(name => name.startsWith('./')),
      path,
    );
});

test('a vendor is known to one room, in transport to one adapter', () => {
  for (const { path, imports } of product) {
    for (const name of imports) {
      const room = ONE_ROOM[name];
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

test('no file is too long to read', () => {
  const everything = [...product, ...['loadtest', 'deploy', 'test', 'testkit'].flatMap(sources)];
  for (const { path, lines } of everything) assert.ok(lines <= MAX_LINES, `${path} has ${lines} lines`);
});
