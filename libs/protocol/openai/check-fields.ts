/** Checks a parsed body against a schema and words the first mistake as OpenAI does. Values are never quoted. */
import type { z } from 'zod';
import { DispatchError } from '../errors/errors.ts';

const MAX_PATH = 100;

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function checkFields<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DispatchError('invalid_request', { message: 'The body must be a JSON object.' });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = pathOf(issue?.path ?? []);
  throw new DispatchError('invalid_request', { param: path, message: explain(value, path, issue) });
}

export function invalidField(param: string, expected: string): DispatchError {
  return new DispatchError('invalid_request', {
    param,
    message: `Invalid type for '${param}': ${expected}.`,
  });
}

/** @param expected what to send instead. */
export function invalidValue(param: string, expected: string): DispatchError {
  return new DispatchError('invalid_request', {
    param,
    message: `Invalid value for '${param}': ${expected}.`,
  });
}

export function missingField(param: string): DispatchError {
  return new DispatchError('invalid_request', { param, message: `Missing required parameter: '${param}'.` });
}

function explain(value: object, path: string, issue: z.core.$ZodIssue | undefined): string {
  const top = issue?.path[0];
  /** What a schema says in words of its own. */
  const ours = issue === undefined || issue.message.startsWith('Invalid input') ? null : issue.message;
  if (
    issue?.path.length === 1 &&
    typeof top === 'string' &&
    (value as Record<string, unknown>)[top] == null
  ) {
    return `Missing required parameter: '${path}'${ours === null ? '' : `, ${ours}`}.`;
  }
  if (issue?.code === 'invalid_type' && ours === null)
    return `Invalid type for '${path}': expected ${issue.expected}.`;
  return `Invalid value for '${path}': ${(issue?.message ?? 'not accepted').replace(/^Invalid input: /, '')}.`;
}

function pathOf(path: readonly PropertyKey[]): string {
  let out = '';
  for (const key of path)
    out += typeof key === 'number' ? `[${key}]` : out === '' ? String(key) : `.${String(key)}`;
  return out.slice(0, MAX_PATH);
}
