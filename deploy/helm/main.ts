/** `npm run chart`: writes what of the chart is made from other sources. A test checks that this was done. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHART } from './env-names.ts';
import { roleTable } from './role-table.ts';
import { readValues, type Value } from './schema.ts';

const OBSERVABILITY = join(import.meta.dirname, '../observability');
const TABLE = /(<!-- values -->\n)[\s\S]*(<!-- \/values -->)/;

function row({ path, description, fallback }: Value): string {
  return `| \`${path}\` | ${fallback === '' ? '' : `\`${fallback}\``} | ${description} |`;
}

/** Path in the chart → what it holds. A chart can only read what is in it, so alerts and dashboards are there a second time. */
export function chartFiles(): Map<string, string> {
  const { schema, values } = readValues();
  const table = ['| value | default | |', '|---|---|---|', ...values.map(row)].join('\n');
  const readme = readFileSync(join(CHART, 'README.md'), 'utf8');
  const dashboards = readdirSync(join(OBSERVABILITY, 'grafana'));
  const copy = (from: string, to: string) => [to, readFileSync(join(OBSERVABILITY, from), 'utf8')] as const;
  return new Map([
    ['values.schema.json', `${JSON.stringify(schema, null, 2)}\n`],
    ['README.md', readme.replace(TABLE, (_, begin, end) => `${begin}${table}\n${end}`)],
    ['files/roles.json', roleTable()],
    copy('alerts.yml', 'files/alerts.yml'),
    ...dashboards.map(name => copy(`grafana/${name}`, `files/dashboards/${name}`)),
  ]);
}

if (import.meta.main) for (const [path, text] of chartFiles()) writeFileSync(join(CHART, path), text);
