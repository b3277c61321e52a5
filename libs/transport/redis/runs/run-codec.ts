/** A stored run as the fields of a Redis hash. */
import {
  isEndpoint,
  type NewRun,
  type QueueAddress,
  RUN_KINDS,
  RUN_LOGS,
  RUN_STATUSES,
  type RunOutline,
  type RunResult,
  readSubject,
  type StoredRun,
  subjectOf,
  workStream,
} from '@penstock/protocol';

/** What a new record holds of the run. The address is stored as the names that the broker knows it by. */
export function toFields({
  id: _id,
  address,
  hasClaim = false,
  labels,
  ...run
}: NewRun): Record<string, string | number> {
  const place = address === null ? { stream: '', subject: '' } : placeOf(address);
  return {
    ...{ ...run, ...place },
    ...(hasClaim ? { claim: 1 } : {}),
    ...(labels === undefined ? {} : { labels: JSON.stringify(labels) }),
  };
}

/** Where the message of a run is. */
export function placeOf(address: QueueAddress): { readonly stream: string; readonly subject: string } {
  return { stream: workStream(address.region, address.shard), subject: subjectOf(address) };
}

/** Null for a record that cannot be read: there is none, or another version wrote it. */
export function toRun(id: string, fields: Record<string, Buffer>): StoredRun | null {
  const text = (name: string) => fields[name]?.toString('utf8') ?? '';
  const status = RUN_STATUSES.find(known => known === text('status'));
  const endpoint = text('endpoint');
  if (status === undefined || !isEndpoint(endpoint)) return null;
  const { body } = fields;
  return {
    id,
    kind: RUN_KINDS.find(known => known === text('kind')) ?? 'job',
    detail: text('detail'),
    tenant: text('tenant'),
    endpoint,
    model: text('model'),
    slug: text('slug'),
    address: readSubject(text('subject')),
    createdAt: Number(text('createdAt')),
    deadlineAt: Number(text('deadlineAt')),
    log: RUN_LOGS.find(known => known === text('log')) ?? 'none',
    ...(text('claim') === '1' ? { hasClaim: true } : {}),
    ...(text('labels') === '' ? {} : { labels: JSON.parse(text('labels')) as Record<string, string> }),
    status,
    worker: text('worker') || null,
    attempt: Number(text('attempt')),
    logLength: Number(text('logLength')),
    result: body === undefined ? null : toResult(text, body),
    ...(text('lastWords') === '' ? {} : { lastWords: text('lastWords') }),
  };
}

/** Fields of a record that are never long. */
const SHORT_FIELDS = [
  ...['kind', 'tenant', 'endpoint', 'model', 'slug', 'subject', 'createdAt', 'deadlineAt', 'log', 'claim'],
  ...['labels', 'status', 'worker', 'attempt', 'logLength', 'lastWords', 'code', 'finishedAt'],
] as const;

/** What an outline is read from: these fields, and how long the other ones are. */
export const OUTLINE = { fields: SHORT_FIELDS, measured: ['detail', 'body'] } as const;

/** @param values of {@link OUTLINE}'s fields. @returns null for a record that cannot be read. */
export function toOutline(id: string, values: readonly (Buffer | null)[], bytes: number): RunOutline | null {
  const fields = Object.fromEntries(SHORT_FIELDS.map((name, i) => [name, values[i] ?? Buffer.alloc(0)]));
  const run = toRun(id, fields);
  if (run === null) return null;
  const { detail: _detail, result: _result, ...outline } = run;
  const number = (name: string) => Number(fields[name]?.toString('latin1') ?? 0);
  return { ...outline, code: number('code'), finishedAt: number('finishedAt'), bytes };
}

function toResult(text: (name: string) => string, body: Buffer): RunResult {
  const [status, finishedAt] = [Number(text('code')), Number(text('finishedAt'))];
  return { status, contentType: text('type'), body, finishedAt };
}
