/** Numbers on the command lines of simulator and race. */

/** @throws RangeError that names the option. */
export function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new RangeError(`--${name} must be a number above 0`);
  return value;
}

/** @throws RangeError that names the option and its limit. */
export function count(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1 && value <= most))
    throw new RangeError(`--${name} must be a whole number from 1 to ${most}`);
  return value;
}
