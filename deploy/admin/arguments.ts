/** What commands about projects and keys take from the command line, and how they answer. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { z } from 'zod';

export type Say = (line: string) => void;

/** One of several things that a command does. */
export interface Doing {
  /** What has to follow its name, as the help calls it. */
  readonly takes: readonly string[];
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** @returns what is told: one object, or a list. */
  readonly run: (operands: readonly string[], values: Values) => Promise<Told>;
}

export type Values = Readonly<Record<string, string | boolean | undefined>>;

export interface Told {
  /** For `--json`: in the shape of the admin API. */
  readonly json: object;
  /** For people. */
  readonly lines: readonly string[];
}

/** @throws TypeError for arguments that are none. */
export async function perform(
  command: string,
  doings: Readonly<Record<string, Doing>>,
  args: readonly string[],
  say: Say,
): Promise<number> {
  const [name = '', ...rest] = args;
  const doing = Object.hasOwn(doings, name) ? doings[name] : undefined;
  if (doing === undefined) throw new TypeError(`say ${command} ${Object.keys(doings).join(', ')}`);
  const { values, positionals } = parseArgs({
    ...{ args: rest, allowPositionals: true },
    options: { ...doing.options, json: { type: 'boolean' } },
  });
  const { takes } = doing;
  const isOptional = (operand: string) => operand.startsWith('[');
  const least = takes.filter(operand => !isOptional(operand)).length;
  if (positionals.length < least || positionals.length > takes.length)
    throw new TypeError(`${command} ${name} takes ${takes.join(' ') || 'no name'}`);
  const { json, lines } = await doing.run(positionals, values as Values);
  if (values['json'] === true) say(JSON.stringify(json));
  else for (const line of lines) say(line);
  return 0;
}

export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** Comma-separated; undefined where the option was not given. */
export function listOf(values: Values, name: string): string[] | undefined {
  return textOf(values, name)
    ?.split(',')
    .map(each => each.trim())
    .filter(each => each !== '');
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds; null for `never`, undefined where the option was not given. @throws TypeError */
export function durationOf(values: Values, name: string): number | null | undefined {
  const said = textOf(values, name);
  if (said === undefined) return undefined;
  if (said === 'never') return null;
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(said) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) throw new TypeError(`--${name}: use a time such as 90d, 12h, 30m or 45s`);
  return Number(count) * factor;
}

/** What the admin API would take. @throws TypeError that names the option. */
export function checked<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = String(issue?.path[0] ?? '');
  throw new TypeError(`${OPTIONS[field] ?? field}: ${issue?.message}`);
}

/** Fields of the admin API, as the options that they come from. */
const OPTIONS: Readonly<Record<string, string>> = {
  expires_in_seconds: '--expires',
  id: '--id',
  model_ids: '--allow and --deny',
  name: 'the name',
  scopes: '--scopes',
};

/** Columns, as wide as they need to be. @param none said where there is no row. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], none: string): string[] {
  if (rows.length === 0) return [none];
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0)));
  return all.map(row =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** @param seconds Unix time. */
export function timeOf(seconds: number | null, none: string): string {
  return seconds === null ? none : new Date(seconds * 1000).toISOString().replace(/\.000Z$/, 'Z');
}
