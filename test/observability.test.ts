/** Alerts, dashboards and runbooks: what they name is there, and the alerts do what they say. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DASHBOARDS, observabilityFiles } from '../deploy/observability/main.ts';
import { type AlertRule, GROUPS, toYaml } from '../deploy/observability/rules.ts';
import { registeredMetrics } from '../testkit/telemetry/metric-catalogue.ts';

const HERE = new URL('../deploy/observability/', import.meta.url);
const RUNBOOKS = new URL('../docs/runbooks/', import.meta.url);
const rules = GROUPS.flatMap(group => group.rules);
const alerts = rules.filter((rule): rule is AlertRule => 'alert' in rule);
const panels = DASHBOARDS.flatMap(({ name, rows }) =>
  rows.flatMap(row => row.panels.map(panel => ({ where: `${name}: ${panel.title}`, panel }))),
);
/** Every query, with where it is. */
const queries = [
  ...rules.map(rule => ({ where: 'alert' in rule ? rule.alert : rule.record, expr: rule.expr })),
  ...panels.flatMap(({ where, panel }) => panel.queries.map(({ expr }) => ({ where, expr }))),
];
/** Labels that Prometheus adds. */
const ADDED = ['instance', 'job', 'le'];

const text = (name: string, base = HERE) => readFileSync(new URL(name, base), 'utf8');

/** Debian: apt-get install --no-install-recommends prometheus. */
function promtool(...args: string[]) {
  return spawnSync(process.env['PENSTOCK_TEST_PROMTOOL'] ?? 'promtool', args, { encoding: 'utf8' });
}
const hasPromtool = promtool('--version').status === 0;
const skip = hasPromtool
  ? false
  : 'promtool is not on the PATH (Debian: apt-get install --no-install-recommends prometheus)';

test('alerts.yml and the dashboards are what npm run observability writes', () => {
  for (const [path, expected] of observabilityFiles()) assert.equal(text(path), expected, path);
  assert.deepEqual(
    readdirSync(new URL('grafana', HERE)).sort(),
    DASHBOARDS.map(({ name }) => `${name}.json`).sort(),
  );
});

/** Queries of a runbook: what is in code marks, and names a metric. A shell's grep may name the beginning of one. */
const queriesOf = (page: string) =>
  [...text(page, RUNBOOKS).matchAll(/`([^`]*\bpenstock_[^`]*)`/g)]
    .map(([, expr = '']) => ({ where: page, expr }))
    .filter(({ expr }) => !expr.includes('grep'));

test('every metric and label that a rule, a panel or a runbook names is one that a process has', async () => {
  const known = new Map(
    (await registeredMetrics()).map(({ name, type, labels }) => [name, { type, labels }]),
  );
  const records = new Set(rules.flatMap(rule => ('record' in rule ? [rule.record] : [])));
  const asked = [...queries, ...readdirSync(RUNBOOKS).flatMap(queriesOf)];
  assert.ok(asked.length > 110, `${asked.length} queries`);
  for (const { where, expr } of asked) {
    const labels = new Set(ADDED);
    for (const [, name = '', selector = ''] of expr.matchAll(/\b(penstock[\w:]*)(?:\{([^}]*)\})?/g)) {
      if (records.has(name)) continue;
      const base = known.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
      const metric = known.get(base);
      assert.ok(metric, `${where}: there is no metric ${name}`);
      for (const label of metric.labels) labels.add(label);
      assert.equal(metric.type === 'histogram', base !== name, `${where}: ${name} is a ${metric.type}`);
      for (const [, label = ''] of selector.matchAll(/(\w+)\s*(?:=~|=|!=|!~)/g))
        assert.ok([...metric.labels, ...ADDED].includes(label), `${where}: ${name} has no label ${label}`);
    }
    for (const [, list = ''] of expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g))
      for (const label of list.split(',').map(each => each.trim()))
        assert.ok(labels.has(label), `${where}: nothing in ${expr} has a label ${label}`);
  }
});

test('every metric is on a dashboard, but for what is shown elsewhere', async () => {
  const shown = panels.flatMap(({ panel }) => panel.queries.map(({ expr }) => expr)).join('\n');
  const elsewhere = new Set([
    // Said by others: the fleet's view of it, and what the process is.
    ...['penstock_workers', 'penstock_worker_models', 'penstock_build_info'],
    ...['penstock_engine_kv_cache_capacity_tokens', 'penstock_worker_estimated_prompt_tokens_total'],
    'penstock_worker_attempt_duration_seconds',
  ]);
  const missing = (await registeredMetrics()).filter(
    ({ name }) => !elsewhere.has(name) && !shown.includes(name),
  );
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
  );
});

test('every alert says what it is about, and has a runbook that says what to do', () => {
  const pages = readdirSync(RUNBOOKS).filter(name => name !== 'README.md');
  const named = new Map(pages.map(page => [page, text(page, RUNBOOKS)]));
  for (const { alert, annotations } of alerts) {
    const { runbook_url: url, summary, description } = annotations;
    const page = named.get(url.replace(/^docs\/runbooks\//, ''));
    assert.ok(page?.includes(`\`${alert}\``), `${alert} is not in ${url}`);
    assert.ok(
      text('README.md', RUNBOOKS).includes(`\`${alert}\``),
      `${alert} is not in the list of runbooks`,
    );
    assert.ok(text('alerts.test.yml').includes(`alertname: ${alert}`), `${alert} has no unit test`);
    assert.ok(summary.length > 10 && summary.length < 90 && description.endsWith('.'), alert);
  }
  for (const [page, content] of named) {
    for (const heading of ['## What it means', '## What to look at', '## What to do'])
      assert.ok(content.includes(heading), `${page} lacks ${heading}`);
    for (const [, alert = ''] of content.matchAll(/`(Penstock\w+)`/g))
      assert.ok(
        alerts.some(each => each.alert === alert),
        `${page} names ${alert}, which is no alert`,
      );
  }
});

test('panels have room, a unit and words; no two look alike', () => {
  for (const { where, panel } of panels) {
    assert.ok(panel.width <= 24 && panel.about.endsWith('.') && panel.queries.length > 0, where);
    const looks = panel.queries.map(({ colour, dashed }) => `${colour} ${dashed === true}`);
    if (panel.queries.every(({ colour }) => colour !== undefined))
      assert.equal(new Set(looks).size, looks.length, where);
  }
});

test('promtool reads the rules and every query of the dashboards', { skip }, () => {
  const checked = promtool('check', 'rules', new URL('alerts.yml', HERE).pathname);
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  const folder = mkdtempSync(join(tmpdir(), 'penstock-rules-'));
  try {
    const file = join(folder, 'dashboards.yml');
    const asRules = panels.flatMap(({ panel }) =>
      panel.queries.map(({ expr }, i) => ({
        record: `panel:${panel.title.replaceAll(/\W/g, '_')}:${i}`,
        expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$model', '.*'),
      })),
    );
    writeFileSync(file, toYaml([{ name: 'dashboards', rules: asRules }]));
    const read = promtool('check', 'rules', file);
    assert.equal(read.status, 0, read.stdout + read.stderr);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('alerts fire when they should, and not else', { skip }, () => {
  const { status, stdout, stderr } = promtool('test', 'rules', new URL('alerts.test.yml', HERE).pathname);
  assert.equal(status, 0, stdout + stderr);
});
