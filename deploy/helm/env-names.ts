/** Which settings the chart gives to which of its components, read from its templates: for the schema, and for tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const CHART = join(import.meta.dirname, 'penstock');
export const COMPONENTS = ['ingress', 'worker', 'tasks', 'console', 'scaler'] as const;
export type Component = (typeof COMPONENTS)[number];

const TEMPLATES = join(CHART, 'templates');
const ENTRY = /- \{ name: ([A-Z][A-Z0-9_]+),/g;
const INCLUDE = /include "(penstock\.env\.[\w.]+)"/g;

const template = (name: string) => readFileSync(join(TEMPLATES, name), 'utf8');

/** Helper → what is in it. */
function helpers(): Map<string, string> {
  const text = readdirSync(TEMPLATES)
    .filter(name => name.endsWith('.tpl'))
    .map(template)
    .join('\n');
  const parts = text.split(/\{\{-? define "/).slice(1);
  return new Map(parts.map(part => [part.slice(0, part.indexOf('"')), part] as const));
}

/** The variables, as they are named: some with `_FILE`. */
export function environmentOf(component: Component): readonly string[] {
  const own = template(`${component}.yaml`);
  const defined = helpers();
  const texts = [own, ...[...own.matchAll(INCLUDE)].map(([, name = '']) => defined.get(name) ?? '')];
  return texts.flatMap(text => [...text.matchAll(ENTRY)].map(([, name = '']) => name));
}

/** The setting that a variable is. */
export const settingOf = (variable: string) => variable.replace(/_FILE$/, '');
