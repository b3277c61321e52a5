/** `npm run admin -- projects`: what the admin API does with projects, from a shell. */
import type { ProjectOffice } from '@penstock/access';
import {
  DispatchError,
  limitsIn,
  modelPermissionsUpdate,
  type Project,
  projectCreate,
  projectUpdate,
  rateLimitUpdate,
  toProjectObject,
  UNLIMITED,
  USUAL_WEIGHT,
} from '@penstock/protocol';
import {
  checked,
  type Doing,
  listOf,
  perform,
  type Say,
  type Told,
  table,
  textOf,
  timeOf,
} from './arguments.ts';
import { inOffice } from './office.ts';

export const PROJECTS_USAGE = `  projects list [--archived]
  projects show PROJECT
  projects create NAME [--id ID] [--weight N]    ID: of a key in PENSTOCK_API_KEYS, whose data it takes over: the first 16 hex digits of its SHA-256
  projects rename PROJECT NAME
  projects weight PROJECT N                                         1 to 100: with a backlog it is served so many times as much as one of weight 1
  projects models PROJECT --allow NAMES | --deny NAMES | --all      models that it may use, comma-separated
  projects limit PROJECT LIMITS [--model NAME]                      as rpm_limit=600,max_files=100; none takes one away, unlimited lifts a default; of NAME alone, else of all models together
  projects archive PROJECT                                          its keys are refused from then on
`;

/** By its id, or by its name where only one has it. @throws DispatchError, TypeError */
export async function projectNamed(
  office: Pick<ProjectOffice, 'find' | 'list'>,
  said: string,
): Promise<Project> {
  try {
    return await office.find(said);
  } catch (err) {
    if (!(err instanceof DispatchError && err.code === 'project_not_found')) throw err;
    const all = (await office.list()).filter(({ name }) => name === said);
    const active = all.filter(({ archivedAt }) => archivedAt === null);
    const [found, another] = active.length > 0 ? active : all;
    if (found === undefined) throw err;
    if (another !== undefined)
      throw new TypeError(
        `several projects have this name: say ${all.map(({ id }) => id).join(' or ')} for one of them`,
      );
    return found;
  }
}

const DOINGS: Readonly<Record<string, Doing>> = {
  list: {
    takes: [],
    options: { archived: { type: 'boolean' } },
    run: (_, { archived }) =>
      inOffice(async ({ projects }) => {
        const all = await projects.list();
        const shown = all.filter(({ archivedAt }) => archived === true || archivedAt === null);
        const rows = shown.map(project => [
          ...[project.id, project.name, timeOf(project.createdAt, ''), timeOf(project.archivedAt, '')],
        ]);
        const lines = table(['ID', 'NAME', 'CREATED', 'ARCHIVED'], rows, 'no projects');
        return { json: shown.map(toProjectObject), lines };
      }),
  },
  show: {
    takes: ['PROJECT'],
    options: {},
    run: ([said = '']) => inOffice(async ({ projects }) => shown(await projectNamed(projects, said))),
  },
  create: {
    takes: ['NAME'],
    options: { id: { type: 'string' }, weight: { type: 'string' } },
    run: ([said], values) => {
      const asked = { name: said, id: textOf(values, 'id'), ...weightOf(textOf(values, 'weight')) };
      const { name, ...more } = checked(projectCreate, asked);
      return inOffice(async ({ by, projects }) => shown(await projects.create(by, name, more)));
    },
  },
  rename: {
    takes: ['PROJECT', 'NAME'],
    options: {},
    run: ([said = '', to]) => {
      const { name } = checked(projectCreate, { name: to });
      return inOffice(async ({ by, projects }) => {
        const { id } = await projectNamed(projects, said);
        return shown(await projects.update(by, id, { name }));
      });
    },
  },
  weight: {
    takes: ['PROJECT', 'N'],
    options: {},
    run: ([said = '', to]) => {
      const { weight = USUAL_WEIGHT } = checked(projectUpdate, weightOf(to));
      return inOffice(async ({ by, projects }) => {
        const { id } = await projectNamed(projects, said);
        return shown(await projects.update(by, id, { weight }));
      });
    },
  },
  models: {
    takes: ['PROJECT'],
    options: { allow: { type: 'string' }, deny: { type: 'string' }, all: { type: 'boolean' } },
    run: ([said = ''], values) => {
      const [allow, deny] = [listOf(values, 'allow'), listOf(values, 'deny')];
      const isAll = values['all'] === true;
      if ([allow !== undefined, deny !== undefined, isAll].filter(Boolean).length !== 1)
        throw new TypeError('projects models takes one of --allow NAMES, --deny NAMES and --all');
      const mode = allow === undefined ? 'deny_list' : 'allow_list';
      const { model_ids: names } = checked(modelPermissionsUpdate, { mode, model_ids: allow ?? deny ?? [] });
      return inOffice(async ({ by, projects }) => {
        const { id } = await projectNamed(projects, said);
        return shown(await projects.permit(by, id, isAll ? null : { mode, names }));
      });
    },
  },
  limit: {
    takes: ['PROJECT', 'LIMITS'],
    options: { model: { type: 'string' } },
    run: ([said = '', text = ''], values) => {
      const changed = limitsIn(checked(rateLimitUpdate, limitsSaid(text)));
      return inOffice(async ({ by, projects }) => {
        const { id } = await projectNamed(projects, said);
        return shown(await projects.limit(by, id, textOf(values, 'model') ?? '*', changed));
      });
    },
  },
  archive: {
    takes: ['PROJECT'],
    options: {},
    run: ([said = '']) =>
      inOffice(async ({ by, projects }) => {
        const { id } = await projectNamed(projects, said);
        return shown(await projects.archive(by, id));
      }),
  },
};

/** @returns the exit code. @throws TypeError for arguments that are none. */
export function projects(args: string[], say: Say): Promise<number> {
  return perform('projects', DOINGS, args, say);
}

/** As the admin API would be asked. @throws TypeError */
function limitsSaid(text: string): Record<string, unknown> {
  const parts = text.split(',').map(part => part.split('=').map(each => each.trim()));
  if (parts.some(part => part.length !== 2)) throw new TypeError('LIMITS: say name=value, comma-separated');
  return Object.fromEntries(parts.map(([name = '', value = '']) => [name, limitSaid(name, value)]));
}

function limitSaid(name: string, value: string): unknown {
  if (value === 'none') return null;
  if (value === 'unlimited') return UNLIMITED;
  if (name === 'shadow') return value === 'on' ? true : value === 'off' ? false : value;
  return name === 'budget_duration' || value === '' ? value : Number(value);
}

/** @param text as it was said. */
function weightOf(text: string | undefined): { weight?: number } {
  return text === undefined ? {} : { weight: Number(text) };
}

function shown(project: Project): Told {
  const { id, name, createdAt, archivedAt, models, limits, weight, serviceAccounts } = project;
  const lines = [
    ['id', id],
    ['name', name],
    ['created', timeOf(createdAt, '')],
    ['archived', timeOf(archivedAt, 'no')],
    ['models', models === null ? 'all' : `${MODES[models.mode]} ${models.names.join(', ') || 'none'}`],
    ['weight', `${weight}`],
    ['accounts', serviceAccounts.map(each => `${each.id} (${each.name})`).join(', ') || 'none'],
    [
      'limits',
      Object.entries(limits)
        .map(([model, each]) => `${model} ${JSON.stringify(each)}`)
        .join(', ') || 'none',
    ],
  ].map(([about = '', value]) => `${about.padEnd(10)}${value}`);
  const permissions = models === null ? null : { mode: models.mode, model_ids: models.names };
  const json = { ...toProjectObject(project), model_permissions: permissions, limits };
  return { json, lines };
}

const MODES = { allow_list: 'only', deny_list: 'all but' } as const;
