/** Settings with a notation of their own. */
import { isToken, TOKEN_RULE } from '@penstock/protocol';
import { z } from 'zod';

/** A word that can be part of a subject, a key or a name. */
export const nameSetting = z.string().refine(isToken, `use ${TOKEN_RULE}`);

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
