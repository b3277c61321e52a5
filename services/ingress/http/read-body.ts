/** Checks a JSON body against a schema; the error names the field of the first mistake. */
import { DispatchError, parseJson } from '@penstock/protocol';
import type { z } from 'zod';

/** @throws DispatchError for a body that is not JSON, not an object, or does not match the schema. */
export function readBody<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
  const parsed = schema.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = (issue?.path ?? []).map(String).join('.');
  if (param === '')
    throw new DispatchError('invalid_request', { message: 'The body must be a JSON object.' });
  throw new DispatchError('invalid_request', { message: `${param}: ${issue?.message}`, param });
}
