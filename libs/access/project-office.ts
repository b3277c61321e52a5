/** What operators do with projects: the admin API, the command line. */
import { DispatchError, type Project, type ProjectLimits, type ServiceAccount } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';

/** Of a project: they are read with it. */
const MOST_ACCOUNTS = 500;
const MOST_LIMITED_MODELS = 500;
/** Changes of others that are waited out. */
const MOST_TRIES = 10;

export interface OfficeOptions {
  readonly records: ProjectRecords;
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

  async create(name: string): Promise<Project> {
    const project: Project = {
      ...{ id: `proj_${this.#o.nextId()}`, name, createdAt: this.#nowS(), archivedAt: null, revision: 1 },
      ...{ serviceAccounts: [], limits: {}, models: null },
    };
    if (!(await this.#o.records.putProject(project))) throw refusal('There is such a project already.');
    return project;
  }

  rename(id: string, name: string): Promise<Project> {
    return this.#change(id, project => ({ ...project, name }));
  }

  /** Its keys are refused from then on. Archived again, it stays as it is. */
  async archive(id: string): Promise<Project> {
    const { archivedAt } = await this.find(id);
    if (archivedAt !== null) return this.find(id);
    return this.#change(id, project => ({ ...project, archivedAt: this.#nowS() }));
  }

  /** @param model `*` for all together. @param changed limits that replace those of the same name. */
  limit(id: string, model: string, changed: ProjectLimits[string]): Promise<Project> {
    return this.#change(id, project => {
      const limits = { ...project.limits, [model]: { ...project.limits[model], ...changed } };
      if (Object.keys(limits).length > MOST_LIMITED_MODELS)
        throw refusal(`A project has limits for ${MOST_LIMITED_MODELS} models at most.`);
      return { ...project, limits };
    });
  }

  /** @param models null for all. */
  permit(id: string, models: Project['models']): Promise<Project> {
    return this.#change(id, project => ({ ...project, models }));
  }

  async addAccount(id: string, name: string): Promise<ServiceAccount> {
    const account = { id: `svc_acct_${this.#o.nextId()}`, name, createdAt: this.#nowS() };
    await this.#change(id, project => {
      if (project.serviceAccounts.length >= MOST_ACCOUNTS)
        throw refusal(
          `The project has ${MOST_ACCOUNTS} service accounts, the most there can be. Delete one first.`,
        );
      return { ...project, serviceAccounts: [...project.serviceAccounts, account] };
    });
    return account;
  }

  /** @throws DispatchError `service_account_not_found` */
  async renameAccount(id: string, account: string, name: string): Promise<ServiceAccount> {
    const project = await this.#change(id, before => {
      accountOf(before, account);
      const renamed = before.serviceAccounts.map(each => (each.id === account ? { ...each, name } : each));
      return { ...before, serviceAccounts: renamed };
    });
    return accountOf(project, account);
  }

  /** Its keys are not valid from then on, also where they could not be removed any more. */
  async removeAccount(id: string, account: string): Promise<void> {
    await this.#change(id, project => {
      accountOf(project, account);
      const left = project.serviceAccounts.filter(each => each.id !== account);
      return { ...project, serviceAccounts: left };
    });
    const keys = await this.#o.records.keys(id);
    for (const key of keys) if (key.account === account) await this.#o.records.removeKey(key);
  }

  /** @param change throws where it cannot be. */
  async #change(id: string, change: (project: Project) => Project): Promise<Project> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const before = await this.find(id);
      if (before.archivedAt !== null) throw refusal('The project is archived, so it cannot be changed.');
      const after = { ...change(before), revision: before.revision + 1 };
      if (await this.#o.records.putProject(after)) return after;
    }
    throw new DispatchError('store_unavailable');
  }

  #nowS(): number {
    return Math.floor(this.#o.clock.now() / 1000);
  }
}

/** @throws DispatchError `service_account_not_found` */
export function accountOf(project: Project, id: string): ServiceAccount {
  const found = project.serviceAccounts.find(account => account.id === id);
  if (found === undefined) throw new DispatchError('service_account_not_found');
  return found;
}

function refusal(message: string): DispatchError {
  return new DispatchError('invalid_request', { message });
}
