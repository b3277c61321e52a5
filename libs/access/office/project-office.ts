/** What operators do with projects: the admin API, the command line. */
import {
  DispatchError,
  isResourceLimit,
  NO_MODEL_OF_RESOURCE,
  type Project,
  type ProjectLimits,
  type ServiceAccount,
  tenantOfNew,
  USUAL_WEIGHT,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';
import type { Actor, Deed, Deeds } from './deeds.ts';

/** Of a project: they are read with it. */
const MOST_ACCOUNTS = 500;
const MOST_LIMITED_MODELS = 500;
/** Changes of others that are waited out. */
const MOST_TRIES = 10;

export interface OfficeOptions {
  readonly records: ProjectRecords;
  readonly deeds: Deeds;
  readonly nextId: () => string;
  readonly clock: Pick<Clock, 'now'>;
}

export class ProjectOffice {
  readonly #o: OfficeOptions;

  constructor(options: OfficeOptions) {
    this.#o = options;
  }

  /** Oldest first. */
  list(): Promise<Project[]> {
    return this.#o.records.projects();
  }

  /** @throws DispatchError `project_not_found` */
  async find(id: string): Promise<Project> {
    const project = await this.#o.records.project(id);
    if (project === null) throw new DispatchError('project_not_found');
    return project;
  }

  /** @param id of a configured key, whose data it takes over; absent for a project of nobody yet. */
  create(
    by: Actor,
    name: string,
    {
      id = tenantOfNew(this.#o.nextId()),
      weight = USUAL_WEIGHT,
    }: { id?: string | undefined; weight?: number | undefined } = {},
  ): Promise<Project> {
    const project: Project = {
      ...{ id, name, createdAt: this.#nowS(), archivedAt: null, revision: 1 },
      ...{ serviceAccounts: [], limits: {}, models: null, weight },
    };
    return this.#o.deeds.by(by, about('project.created', id, { name, weight }), async () => {
      if (!(await this.#o.records.putProject(project)))
        throw refusal('There is such a project already: change that one.');
      return project;
    });
  }

  /** @param changed what is not in it stays. */
  update(by: Actor, id: string, changed: Partial<Pick<Project, 'name' | 'weight'>>): Promise<Project> {
    const deed = about('project.updated', id, changed);
    return this.#change(by, deed, project => ({ ...project, ...changed }));
  }

  /** Its keys are refused from then on. Archived again, it stays as it is. */
  async archive(by: Actor, id: string): Promise<Project> {
    const before = await this.find(id);
    if (before.archivedAt !== null) return before;
    const archivedAt = this.#nowS();
    return this.#change(by, about('project.archived', id), project => ({ ...project, archivedAt }));
  }

  /** @param model `*` for all together. @param changed limits that replace those of the same name; null takes one away. */
  limit(
    by: Actor,
    id: string,
    model: string,
    changed: Readonly<Record<string, number | null>>,
  ): Promise<Project> {
    const resource = Object.keys(changed).find(isResourceLimit);
    if (model !== '*' && resource !== undefined) throw refusal(`${resource}: ${NO_MODEL_OF_RESOURCE}.`);
    const deed = { ...about('rate_limit.updated', id, changed), targets: [`rl-${model}`] };
    return this.#change(by, deed, project => {
      const limits = { ...project.limits, [model]: withoutNulls({ ...project.limits[model], ...changed }) };
      if (Object.keys(limits).length > MOST_LIMITED_MODELS)
        throw refusal(`A project has limits for ${MOST_LIMITED_MODELS} models at most.`);
      return { ...project, limits };
    });
  }

  /** @param models null for all. */
  permit(by: Actor, id: string, models: Project['models']): Promise<Project> {
    const { mode = 'deny_list', names = [] } = models ?? {};
    const deed = about('project.updated', id, { mode, model_ids: names });
    return this.#change(by, deed, project => ({ ...project, models }));
  }

  async addAccount(by: Actor, id: string, name: string): Promise<ServiceAccount> {
    const account = { id: `svc_acct_${this.#o.nextId()}`, name, createdAt: this.#nowS() };
    const deed = { ...about('service_account.created', id, { name }), targets: [account.id] };
    await this.#change(by, deed, project => {
      if (project.serviceAccounts.length >= MOST_ACCOUNTS)
        throw refusal(
          `The project has ${MOST_ACCOUNTS} service accounts, the most there can be. Delete one first.`,
        );
      return { ...project, serviceAccounts: [...project.serviceAccounts, account] };
    });
    return account;
  }

  /** @throws DispatchError `service_account_not_found` */
  async renameAccount(by: Actor, id: string, account: string, name: string): Promise<ServiceAccount> {
    const deed = { ...about('service_account.updated', id, { name }), targets: [account] };
    const project = await this.#change(by, deed, before => {
      accountOf(before, account);
      const renamed = before.serviceAccounts.map(each => (each.id === account ? { ...each, name } : each));
      return { ...before, serviceAccounts: renamed };
    });
    return accountOf(project, account);
  }

  /** Its keys are not valid from then on, also where they could not be removed any more. */
  async removeAccount(by: Actor, id: string, account: string): Promise<void> {
    const keys = (await this.#o.records.keys(id)).filter(key => key.account === account);
    const deed = about('service_account.deleted', id);
    await this.#change(by, { ...deed, targets: [account, ...keys.map(key => key.id)] }, project => {
      accountOf(project, account);
      const left = project.serviceAccounts.filter(each => each.id !== account);
      return { ...project, serviceAccounts: left };
    });
    for (const key of keys) await this.#o.records.removeKey(key);
  }

  /** @param change throws where it cannot be: then nothing is noted either. */
  async #change(by: Actor, deed: Deed & InProject, change: (before: Project) => Project): Promise<Project> {
    const changed = async () => {
      const before = await this.find(deed.project);
      if (before.archivedAt !== null) throw refusal('The project is archived, so it cannot be changed.');
      return { ...change(before), revision: before.revision + 1 };
    };
    let after = await changed();
    return this.#o.deeds.by(by, deed, async () => {
      for (let tries = 0; tries < MOST_TRIES; tries++) {
        if (await this.#o.records.putProject(after)) return after;
        after = await changed();
      }
      throw new DispatchError('store_unavailable');
    });
  }

  #nowS(): number {
    return Math.floor(this.#o.clock.now() / 1000);
  }
}

interface InProject {
  readonly project: string;
}

function about(action: string, project: string, changes?: Deed['changes']): Deed & InProject {
  return { action, project, targets: [project], ...(changes === undefined ? {} : { changes }) };
}

/** @throws DispatchError `service_account_not_found` */
export function accountOf(project: Project, id: string): ServiceAccount {
  const found = project.serviceAccounts.find(account => account.id === id);
  if (found === undefined) throw new DispatchError('service_account_not_found');
  return found;
}

function withoutNulls(limits: Readonly<Record<string, number | null>>): ProjectLimits[string] {
  const kept = Object.entries(limits).filter((entry): entry is [string, number] => entry[1] !== null);
  return Object.fromEntries(kept);
}

function refusal(message: string): DispatchError {
  return new DispatchError('invalid_request', { message });
}
