/** `npm run admin -- keys`: what the admin API does with keys, from a shell. A key itself is printed when it is made, and never again. */
import type { KeyOffice, NewKey } from '@penstock/access';
import {
  type KeyRecord,
  type Project,
  projectKeyUpdate,
  serviceAccountKeyCreate,
  toAdminKeyObject,
  toNewKeyObject,
  toProjectKeyObject,
} from '@penstock/protocol';
import {
  checked,
  type Doing,
  durationOf,
  listOf,
  perform,
  type Say,
  type Told,
  table,
  textOf,
  timeOf,
  type Values,
} from './arguments.ts';
import { inOffice, type Office } from './office.ts';
import { projectNamed } from './projects.ts';

export const KEYS_USAGE = `  keys list PROJECT | --admin
  keys show KEY
  keys create PROJECT | --admin [--name NAME] [--account ACCOUNT] [--scopes SCOPES] [--expires 90d]
                                         prints the key, this one time; an account that is not there is made
  keys update KEY [--name NAME] [--scopes SCOPES | --scopes all] [--expires 90d|never]
  keys rotate KEY [--overlap 1d]         another like it; the old one ends after that time, 0s: at once
  keys revoke KEY
    KEY is its id, key_…; PROJECT an id or a name. --json prints what the admin API would answer
`;
const NAME = 'Secret Key';
const DAY_S = 86_400;

const ADMIN: Doing['options'] = { admin: { type: 'boolean' } };
const WISHES: Doing['options'] = {
  name: { type: 'string' },
  scopes: { type: 'string' },
  expires: { type: 'string' },
};

const DOINGS: Readonly<Record<string, Doing>> = {
  list: {
    takes: ['[PROJECT]'],
    options: ADMIN,
    run: ([said], values) => {
      checkMeant(said, values);
      return inOffice(async ({ projects, keys }) => {
        const project = said === undefined ? null : await projectNamed(projects, said);
        const all = await keys.list(project?.id ?? null);
        const uses = await keys.usesOf(all);
        const usedAt = (key: KeyRecord) => uses.get(key.id) ?? null;
        const lines = table(
          HEAD,
          all.map(key => rowOf(key, project, usedAt(key))),
          'no keys',
        );
        return { json: all.map(key => objectOf(key, project, usedAt(key))), lines };
      });
    },
  },
  show: {
    takes: ['KEY'],
    options: {},
    run: ([id = '']) => onKey(id, async ({ key }) => key),
  },
  create: {
    takes: ['[PROJECT]'],
    options: { ...ADMIN, ...WISHES, account: { type: 'string' } },
    run: ([said], values) => {
      checkMeant(said, values);
      const { name = NAME, ...wishes } = wishesOf(values);
      const asked = { name, ...wishes };
      return inOffice(async office => {
        if (said === undefined) return made(await office.keys.createAdmin(office.by, asked));
        const project = await projectNamed(office.projects, said);
        return made(await makeKey(office, project, textOf(values, 'account'), asked));
      });
    },
  },
  update: {
    takes: ['KEY'],
    options: WISHES,
    run: ([id = ''], values) => {
      const wishes = wishesOf(values);
      if (Object.keys(values).every(name => name === 'json'))
        throw new TypeError('say what is to be otherwise: --name, --scopes or --expires');
      return onKey(id, ({ by, keys, key }) => keys.update(by, key.project, key.id, wishes));
    },
  },
  rotate: {
    takes: ['KEY'],
    options: { overlap: { type: 'string' } },
    run: ([id = ''], values) => {
      const overlapS = durationOf(values, 'overlap') ?? DAY_S;
      checkId(id);
      return inOffice(async ({ by, keys }) => {
        const { made: fresh, old } = await keys.rotate(by, id, overlapS);
        const ends = old === null ? 'is revoked' : `ends ${timeOf(old.expiresAt, 'never')}`;
        const { json, lines } = made(fresh);
        return { json, lines: [...lines, `${id} ${ends}`] };
      });
    },
  },
  revoke: {
    takes: ['KEY'],
    options: {},
    run: ([id = '']) => {
      checkId(id);
      return inOffice(async ({ by, keys }) => {
        const { project } = await keys.lookUp(id);
        await keys.remove(by, project, id);
        const json = { id, object: 'organization.project.api_key.deleted', deleted: true };
        return { json, lines: [`${id} is revoked: all ingress nodes refuse it within 4 s`] };
      });
    },
  },
};

/** @returns the exit code. @throws TypeError for arguments that are none. */
export function keys(args: string[], say: Say): Promise<number> {
  return perform('keys', DOINGS, args, say);
}

/** Either a project, or the keys of operators, which belong to none. @throws TypeError */
function checkMeant(said: string | undefined, values: Values): void {
  const isAdmin = values['admin'] === true;
  if (isAdmin === (said !== undefined)) throw new TypeError('name a project, or say --admin for admin keys');
  for (const option of ['account', 'scopes'])
    if (isAdmin && values[option] !== undefined) throw new TypeError(`an admin key takes no --${option}`);
}

function wishesOf(values: Values) {
  const scopes = listOf(values, 'scopes');
  const expiresInS = durationOf(values, 'expires');
  const { name } = checked(serviceAccountKeyCreate, { name: textOf(values, 'name') });
  const all = scopes?.length === 1 && scopes[0] === 'all';
  const asked = { scopes: all ? null : scopes, expires_in_seconds: expiresInS };
  checked(projectKeyUpdate, asked);
  return { ...(name === undefined ? {} : { name }), scopes: asked.scopes, expiresInS };
}

/** @param said an account by id or name; where it is absent, the key's name is that of the account. */
async function makeKey(
  { by, projects, keys }: Office,
  project: Project,
  said: string | undefined,
  wishes: Parameters<KeyOffice['createAdmin']>[1],
): Promise<NewKey> {
  const account = project.serviceAccounts.find(
    ({ id, name }) => id === said || name === (said ?? wishes.name),
  );
  if (account !== undefined) return keys.create(by, project, account.id, wishes);
  keys.checkReady();
  const { id } = await projects.addAccount(by, project.id, said ?? wishes.name);
  return keys.create(by, await projects.find(project.id), id, wishes);
}

/** People paste keys where their ids belong: what was pasted is in the history of their shell now. */
function checkId(id: string): void {
  if (id.startsWith('sk-'))
    throw new TypeError(
      'this is a key itself: give its id, key_ and what stands between the first two dashes behind sk-',
    );
}

function onKey(
  id: string,
  act: (about: Office & { readonly key: KeyRecord }) => Promise<KeyRecord>,
): Promise<Told> {
  checkId(id);
  return inOffice(async office => {
    const key = await act({ ...office, key: await office.keys.lookUp(id) });
    const project = key.project === null ? null : await office.projects.find(key.project);
    const usedAt = (await office.keys.usesOf([key])).get(id) ?? null;
    const row = rowOf(key, project, usedAt);
    const lines = HEAD.map((name, i) => `${name.toLowerCase().padEnd(10)}${row[i]}`);
    return { json: objectOf(key, project, usedAt), lines };
  });
}

const HEAD = ['ID', 'NAME', 'ACCOUNT', 'HINT', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED'];

function rowOf(key: KeyRecord, project: Project | null, usedAt: number | null): string[] {
  const account = project?.serviceAccounts.find(({ id }) => id === key.account)?.name ?? '-';
  return [
    ...[key.id, key.name, account, key.hint, key.scopes?.join(',') ?? 'all'],
    ...[timeOf(key.createdAt, ''), timeOf(key.expiresAt, 'never'), timeOf(usedAt, 'never')],
  ];
}

function objectOf(key: KeyRecord, project: Project | null, usedAt: number | null): object {
  return project === null ? toAdminKeyObject(key, usedAt) : toProjectKeyObject(key, project, usedAt);
}

function made({ key, text }: NewKey): Told {
  const json =
    key.project === null ? { ...toAdminKeyObject(key, null), value: text } : toNewKeyObject(key, text);
  const of = key.project === null ? 'an admin key' : `of ${key.project}`;
  const about = `${key.id} ${of}, expires ${timeOf(key.expiresAt, 'never')}; the key itself is shown this one time`;
  return { json, lines: [text, about] };
}
