/** The file in which an operator keeps projects and keys: what may stand there. */
import { z } from 'zod';
import { isTenant, TENANT_RULE } from '../tenant.ts';
import { isResourceLimit, NO_MODEL_OF_RESOURCE, readDuration } from './limit-names.ts';
import { dollars, duration, modelNames, most, name, resourceLimits, scopes, weight } from './requests.ts';

const DATE = 'give a date as 2027-01-31 or 2027-01-31T12:00:00Z';

const models = z
  .strictObject({ allow: modelNames.optional(), deny: modelNames.optional() }, { error: 'say allow or deny' })
  .refine(each => (each.allow === undefined) !== (each.deny === undefined), 'say either allow or deny');

const limits = z.strictObject({
  rpm_limit: most.optional(),
  tpm_limit: most.optional(),
  rpd_limit: most.optional(),
  max_parallel_requests: most.optional(),
  max_budget: dollars.optional(),
  budget_duration: duration.transform(text => readDuration(text) ?? 0).optional(),
  ...resourceLimits(most.optional()),
  shadow: z.boolean({ error: 'use true or false' }).transform(Number).optional(),
});

const key = z
  .strictObject({
    name,
    /** Of the key, in hex. */
    sha256: z
      .string({ error: 'give 64 hex digits' })
      .regex(/^[0-9a-f]{64}$/, 'give the SHA-256 of the key: 64 hex digits, as sha256sum prints them')
      .optional(),
    /** Path of a file that has the key. */
    file: z.string().min(1).optional(),
    scopes: scopes.optional(),
    expires_at: z
      .string({ error: DATE })
      .regex(/^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/, DATE)
      .refine(text => !Number.isNaN(Date.parse(text)), DATE)
      .optional(),
  })
  .refine(
    each => (each.sha256 === undefined) !== (each.file === undefined),
    'a key needs either sha256 or file',
  );

function refuseResourcesOfModels(all: Readonly<Record<string, object>>, context: z.RefinementCtx): void {
  for (const [model, own] of Object.entries(all))
    for (const limit of Object.keys(own))
      if (model !== '*' && isResourceLimit(limit))
        context.addIssue({ code: 'custom', path: [model, limit], message: NO_MODEL_OF_RESOURCE });
}

const project = z.strictObject({
  id: z.string({ error: `give ${TENANT_RULE}` }).refine(isTenant, `give ${TENANT_RULE}`),
  name,
  models: models.optional(),
  weight: weight.optional(),
  /** By model, `*` for all together. */
  limits: z.record(z.string().min(1).max(512), limits).superRefine(refuseResourcesOfModels).optional(),
  keys: z.array(key).max(1000, 'a project has 1000 keys at most').default([]),
});

export const projectsFile = z.strictObject({
  projects: z
    .array(project, { error: 'name the projects in a list' })
    .max(10_000, 'there are 10000 projects at most'),
});
export type ProjectsInFile = z.infer<typeof projectsFile>;
