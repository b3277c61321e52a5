/** The pages an operator looks things up in name exactly what there is. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { ENDPOINT_TABLE, ENDPOINTS } from '@penstock/protocol';
import { z } from 'zod';
import { startConfig } from '../deploy/local/config.ts';
import { consoleConfig } from '../services/console/config.ts';
import { simConfig } from '../services/engine-sim/config.ts';
import { ingressConfig } from '../services/ingress/config.ts';
import { scalerConfig } from '../services/scaler/config.ts';
import { tasksConfig } from '../services/tasks/config.ts';
import { workerConfig } from '../services/worker/config.ts';
import { listedRows, registeredMetrics, rowOf } from '../testkit/telemetry/metric-catalogue.ts';

const PROCESSES = {
  ingress: ingressConfig,
  worker: workerConfig,
  tasks: tasksConfig,
  console: consoleConfig,
  scaler: scalerConfig,
  'engine-sim': simConfig,
};

interface Setting {
  readonly name: string;
  readonly fallback: string;
  readonly description: string | undefined;
}

function page(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
}

function settings(schema: z.ZodObject): Setting[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, about]) => {
    const { default: value, description } = about as { default?: unknown; description?: string };
    const given = value === undefined || value === '' ? '' : `\`${value}\``;
    return { name, fallback: required.includes(name) ? 'required' : given, description };
  });
}

/** One row for each setting; of several processes where it means the same to them. */
function rows(): string[] {
  const users = new Map<string, string[]>();
  for (const [process, schema] of Object.entries(PROCESSES)) {
    for (const { name, fallback, description } of settings(schema)) {
      assert.ok(description, `${name} of ${process} has no description`);
      const about = `${fallback} | ${description}`;
      users.set(`${name} ${about}`, [...(users.get(`${name} ${about}`) ?? []), process]);
    }
  }
  return [...users].map(([key, processes]) => {
    const at = key.indexOf(' ');
    return `| \`${key.slice(0, at)}\` | ${processes.join(', ')} | ${key.slice(at + 1)} |`;
  });
}

test('docs/configuration.md lists exactly the settings there are, with their defaults and descriptions', () => {
  const listed = page('docs/configuration.md').split('\n');
  assert.deepEqual(
    listed.filter(line => line.startsWith('| `')),
    rows(),
  );
});

test('README.md names what npm start takes from the environment', () => {
  const text = page('README.md');
  // Set for those who know webhooks and media; docs/operations.md and docs/security.md have them.
  const elsewhere = new Set(['PENSTOCK_WEBHOOK_ALLOW', 'PENSTOCK_MEDIA_ALLOW']);
  for (const name of Object.keys(startConfig.shape))
    assert.ok(elsewhere.has(name) || text.includes(name), name);
});

test('README.md names every path at which an endpoint of engines is served', () => {
  const text = page('README.md');
  const paths = ENDPOINTS.flatMap(endpoint => ENDPOINT_TABLE[endpoint].paths);
  assert.deepEqual(
    paths.filter(path => !text.includes(`\`${path}\``)),
    [],
  );
});

test('docs/metrics.md lists exactly the metrics there are, by process, with type, labels, unit and meaning', async () => {
  const expected = new Map<string, string[]>();
  for (const metric of await registeredMetrics())
    expected.set(metric.process, [...(expected.get(metric.process) ?? []), rowOf(metric)]);
  assert.deepEqual(listedRows(), expected);
});

const PAGES = ['README.md', 'CONTRIBUTING.md', 'loadtest/README.md', 'deploy/helm/penstock/README.md'].concat(
  readdirSync(new URL('../docs', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
);

/** Without what only looks like a link or a heading. */
function prose(path: string): string {
  return page(path).replaceAll(/^```[\s\S]*?^```$/gm, '');
}

interface Link {
  readonly from: string;
  /** Path from the top. */
  readonly to: string;
  readonly anchor: string;
}

function linksOf(from: string): Link[] {
  return [...prose(from).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(match => match[1] ?? '')
    .filter(target => !/^(https?|mailto):/.test(target))
    .map(target => {
      const [path = '', anchor = ''] = target.split('#');
      return { from, to: path === '' ? from : normalize(join(dirname(from), path)), anchor };
    });
}

/** As GitHub makes them of headings. */
function anchorsOf(path: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of prose(path).matchAll(/^#+ (.*)$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = text.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

test('every link between pages leads to a file, and to a heading of it where it names one', () => {
  const links = PAGES.flatMap(linksOf);
  assert.ok(links.length > 150);
  const lost = links.filter(({ to, anchor }) => {
    if (!existsSync(new URL(`../${to}`, import.meta.url))) return true;
    return anchor !== '' && !(to.endsWith('.md') && anchorsOf(to).has(anchor));
  });
  assert.deepEqual(lost, []);
});

test('every page is reached from docs/README.md', () => {
  const seen = new Set<string>();
  const waiting = ['docs/README.md'];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    waiting.push(...linksOf(path).flatMap(({ to }) => (PAGES.includes(to) ? [to] : [])));
  }
  assert.deepEqual(
    PAGES.filter(path => !seen.has(path)),
    [],
  );
});

test('every file that a page names by its path exists', () => {
  const named = PAGES.flatMap(name =>
    [
      ...page(name).matchAll(/`((?:libs|services|loadtest|test|testkit|deploy)\/[\w./-]+\.(?:ts|md|lua))`/g),
    ].map(match => ({ page: name, path: match[1] ?? '' })),
  );
  assert.ok(named.length > 60);
  assert.deepEqual(
    named.filter(({ path }) => !existsSync(new URL(`../${path}`, import.meta.url))),
    [],
  );
});

test('docs/glossary.md lists terms in order', () => {
  const text = page('docs/glossary.md');
  const terms = [...text.matchAll(/^\| ([^|]+) \|/gm)].map(match => match[1] ?? '').slice(1);
  const sorted = [...terms].sort((a, b) => a.localeCompare(b, 'en'));
  assert.deepEqual(
    terms.filter(term => !/^-+$/.test(term)),
    sorted.filter(term => !/^-+$/.test(term)),
  );
});
