/** A request as the model that serves it gets it: under that model's name, with the defaults that the operator set for it. */

import { DispatchError } from '../errors/errors.ts';
import { withFields } from '../json/exact-json.ts';
import type { RequestSummary } from '../openai/request-summary.ts';
import type { Endpoint } from '../wire/endpoints.ts';
import { validateRequest } from './validate-request.ts';

/** Defaults are for what answers are made by, so only these have them. */
const WITH_DEFAULTS: ReadonlySet<Endpoint> = new Set(['chat', 'completions', 'embeddings']);
/** Names of one thing: whoever gives one of them has said it. */
const SAME: readonly (readonly string[])[] = [['max_tokens', 'max_completion_tokens']];

export interface ServedBy {
  /** Name of the model at its engine. */
  readonly model: string;
  readonly defaults: Readonly<Record<string, unknown>>;
}

/** @returns the body with the fields set, and all its other bytes as they are. */
export type WriteFields = (body: Buffer, fields: Readonly<Record<string, unknown>>) => Buffer;

interface Asked {
  readonly body: Buffer;
  readonly summary: RequestSummary;
}

/**
 * Defaults are of a model, not of an endpoint: one that does not suit this request is left out.
 * @param request a valid one. @param parsed its body. @param write sets fields in the bytes of a body that is not JSON.
 * @returns the request and its parsed body, the same ones where nothing differs; else all bytes but those of the changed fields
 * are the client's.
 */
export function servedBy<T extends Asked>(
  endpoint: Endpoint,
  request: T,
  parsed: object,
  { model, defaults }: ServedBy,
  write: WriteFields = withFields,
): { readonly request: T; readonly parsed: object } {
  const renamed = request.summary.model === model ? {} : { model };
  const missing = WITH_DEFAULTS.has(endpoint)
    ? Object.entries(defaults).filter(([name]) => namesOf(name).every(each => !Object.hasOwn(parsed, each)))
    : [];
  if (missing.length === 0 && renamed.model === undefined) return { request, parsed };
  const check = (fields: object) => summaryOf(endpoint, { ...parsed, ...renamed, ...fields });
  const all = Object.fromEntries(missing);
  const suiting = () => Object.fromEntries(missing.filter(([name, value]) => check({ [name]: value })));
  const fields = { ...renamed, ...(check(all) === null ? suiting() : all) };
  const body = write(request.body, fields);
  const summary = check(fields) ?? request.summary;
  return { request: { ...request, body, summary }, parsed: { ...parsed, ...fields } };
}

function summaryOf(endpoint: Endpoint, parsed: object): RequestSummary | null {
  try {
    return validateRequest(endpoint, parsed);
  } catch (err) {
    if (!(err instanceof DispatchError)) throw err;
    return null;
  }
}

function namesOf(name: string): readonly string[] {
  return SAME.find(names => names.includes(name)) ?? [name];
}
