/** Settings of a process as they may be shown and kept: of what is secret, or may have a password in it, only that it is set. */
import type { z } from 'zod';

const SECRET = /KEY|SECRET|PASSWORD|TOKEN|CREDS|PEPPER|WEBHOOKS|HEADERS/;
/** Anything longer is a table, not a setting that people compare. */
const PLAIN = /^[\w .,:*=<>@%|/-]{0,200}$/;
const SET = '(set)';

/** Those of a schema that are set, by name: the rest has its default. */
export function shownSettings(
  schema: z.ZodObject,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const [value = '', file = ''] = [env[name], env[`${name}_FILE`]];
    if (file !== '') shown[`${name}_FILE`] = PLAIN.test(file) ? file : SET;
    else if (value !== '') shown[name] = SECRET.test(name) || !PLAIN.test(value) ? SET : withoutLogin(value);
  }
  return shown;
}

/** Of URLs, user and password are left out. */
function withoutLogin(value: string): string {
  return value.replace(/(:\/\/)[^/@]*@/g, '$1…@');
}
