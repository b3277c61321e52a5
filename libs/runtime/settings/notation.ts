/** Settings with a notation of their own. */
import { isToken, TOKEN_RULE, toModelSlug } from '@penstock/protocol';
import { z } from 'zod';

/** A word that can be part of a subject, a key or a name. */
export const nameSetting = z.string().refine(isToken, `use ${TOKEN_RULE}`);

export interface KeysNotation {
  /** How many there have to be. */
  readonly least: number;
  /** Characters that each has at least. */
  readonly length: number;
  /** What is said where the setting is missing. */
  readonly missing: string;
}

/** Parts of a list, comma-separated, without those that are empty. */
export function partsIn(text: string): string[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '');
}

/** Keys, comma-separated. */
export function keysSetting({ least, length, missing }: KeysNotation) {
  return z
    .string({ error: missing })
    .transform(partsIn)
    .refine(
      keys => keys.length >= least && keys.every(key => key.length >= length),
      `each key needs ${length} characters or more`,
    );
}

/** A setting with a notation of its own. @param parse throws an error whose message says what to write. */
export function settingOf<T>(parse: (text: string) => T) {
  return z.string().transform((text, ctx) => {
    try {
      return parse(text);
    } catch (err) {
      ctx.addIssue({ code: 'custom', message: (err as Error).message });
      return z.NEVER;
    }
  });
}

/**
 * A value for all models, or some with values of their own: `value`, `model=value,other=value` or `model=value,*=value`.
 * @param read gives undefined for what is no value. @param usage what to write, for the error.
 * @returns the value for a model by its slug; undefined where none is given.
 */
export function readPerModel<T>(
  text: string,
  read: (value: string) => T | undefined,
  usage: string,
): (slug: string) => T | undefined {
  const byModel = new Map<string, T>();
  for (const part of text.split(',')) {
    const at = part.lastIndexOf('=');
    const model = at < 0 ? '*' : part.slice(0, at).trim();
    const value = read(part.slice(at + 1).trim());
    if (value === undefined || model === '') throw new TypeError(usage);
    byModel.set(model === '*' ? '*' : toModelSlug(model), value);
  }
  return slug => (byModel.has(slug) ? byModel.get(slug) : byModel.get('*'));
}

/** Milliseconds, for all models or per model. @param fallback for models without a value. */
export function msPerModel(fallback: number) {
  const read = (value: string) => {
    const ms = Number(value);
    return Number.isInteger(ms) && ms >= 1 && ms < 2 ** 31 ? ms : undefined;
  };
  const usage = 'use milliseconds from 1 on, or <model>=<milliseconds>, comma-separated';
  return settingOf(text => {
    const ofModel = readPerModel(text, read, usage);
    return (slug: string) => ofModel(slug) ?? fallback;
  }).prefault(String(fallback));
}
