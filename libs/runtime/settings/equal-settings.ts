/** Which settings of a process must be those of others too: those whose description says so, so that no list of them can be wrong. */
import { createHash } from 'node:crypto';
import type { z } from 'zod';

const SAYS_SO = /Must be the same (in|at) all /;
/** A longer value, or one with other characters, is told as its digest: some hold secrets. */
const PLAIN = /^[\w.-]{0,40}$/;

/** @returns setting → its value, in a form that is the same wherever it means the same. */
export function equalSettings<T extends z.ZodObject>(
  schema: T,
  config: Readonly<z.infer<T>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, setting] of Object.entries(schema.shape as Record<string, z.ZodType>))
    if (SAYS_SO.test(setting.description ?? ''))
      found[name] = told((config as Record<string, unknown>)[name]);
  return found;
}

function told(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(plain(value)) : String(value ?? '');
  if (PLAIN.test(text)) return text;
  return `#${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}

function plain(value: object | null): unknown {
  return value instanceof Map ? [...value].sort(([a], [b]) => (a < b ? -1 : 1)) : value;
}
