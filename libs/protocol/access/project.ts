/** Projects: what files, batches, stored answers, webhooks and limits belong to. In code that carries requests, a project is their `tenant`. */
import { z } from 'zod';
import { MOST_WEIGHT, USUAL_WEIGHT } from '../tenant.ts';
import { readRecord } from '../wire/json-message.ts';

const limits = z.record(z.string(), z.number());

const serviceAccount = z.object({
  /** `svc_acct_…` */
  id: z.string(),
  name: z.string(),
  /** Unix seconds. */
  createdAt: z.number(),
});
export type ServiceAccount = z.infer<typeof serviceAccount>;

const project = z.object({
  /** A tenant, see libs/protocol/tenant.ts. */
  id: z.string(),
  name: z.string(),
  /** Unix seconds. */
  createdAt: z.number(),
  /** Unix seconds; null while its keys are valid. */
  archivedAt: z.number().nullable(),
  /** Holders of its keys. A key of an account that is not here is not valid. */
  serviceAccounts: z.array(serviceAccount).default([]),
  /** Models that it may use; null for all. */
  models: z
    .object({ mode: z.enum(['allow_list', 'deny_list']), names: z.array(z.string()) })
    .nullable()
    .default(null),
  /** With a backlog, of two projects the one with twice the weight is served twice as much. */
  weight: z.int().min(1).max(MOST_WEIGHT).default(USUAL_WEIGHT),
  /** By model name, `*` for all models together; then by the name of the limit, as `rpm_limit`. What is absent is not limited. */
  limits: z.record(z.string(), limits).default({}),
  /** Whether the operator's file says what it is, and nobody else may change it; never kept. */
  isInFile: z.literal(true).optional(),
  /** Counts changes: a change to another revision than the one that was read is refused. */
  revision: z.number(),
});
export type Project = z.infer<typeof project>;
/** See {@link Project.limits}. */
export type ProjectLimits = Readonly<Project['limits']>;

/** Null for what another version wrote and this one cannot read. */
export function readProject(text: string): Project | null {
  return readRecord(project, text);
}

/** Redis hash: id → project. */
export const PROJECTS_KEY = 'penstock:projects';
/** Redis counter of changes to projects and keys: who has seen a number has seen all that came before. */
export const ACCESS_VERSION_KEY = 'penstock:access-version';
