/** What a setting that is a number may be, in words: who gives another has to learn what to write. */
import { z } from 'zod';

/** A value of this form is shown in an error; any other may be a secret that got into the wrong variable. */
const LIKE_A_NUMBER = /^[-+]?\d[\d.,_]{0,20}\s?[a-zA-Z%]{0,3}$/;

/** @returns null where the setting is no number. @param given its value. */
export function numberProblem(setting: unknown, given: string | undefined): string | null {
  const number = innermost(setting);
  if (!(number instanceof z.ZodNumber)) return null;
  const what = number.isInt ? 'a whole number' : 'a number';
  const not = given !== undefined && LIKE_A_NUMBER.test(given) ? `, not ${given}` : '';
  return `must be ${what} ${rangeOf(number)}${not}`.replace(/ (?=,|$)/, '');
}

/** Without its default, and whatever else is around it. */
function innermost(setting: unknown): unknown {
  let inner = setting;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault)
    inner = inner.unwrap();
  return inner;
}

function rangeOf({ def, minValue, maxValue }: z.ZodNumber): string {
  const least = within(minValue);
  const most = within(maxValue);
  const isAbove = (def.checks ?? []).some(({ _zod }) => {
    const check = _zod.def as { check: string; inclusive?: boolean };
    return check.check === 'greater_than' && check.inclusive === false;
  });
  if (least === null) return most === null ? '' : `up to ${most}`;
  if (isAbove) return most === null ? `above ${least}` : `above ${least}, up to ${most}`;
  return most === null ? `from ${least} on` : `from ${least} to ${most}`;
}

/** Null for a limit that is none. */
function within(limit: number | null): number | null {
  return limit === null || Math.abs(limit) >= Number.MAX_SAFE_INTEGER ? null : limit;
}
