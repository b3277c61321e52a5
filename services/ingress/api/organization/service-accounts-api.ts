/** OpenAI's admin API of service accounts: whoever holds keys of a project. A key is shown once, when it is made. */
import { type Actor, accountOf, type KeyOffice, type NewKey, type ProjectOffice } from '@penstock/access';
import {
  type Project,
  serviceAccountCreate,
  serviceAccountKeyCreate,
  serviceAccountUpdate,
  toNewKeyObject,
  toServiceAccountObject,
} from '@penstock/protocol';
import type { FastifyInstance } from 'fastify';
import type { Api, Guards } from '../../http/guards.ts';
import { pageOf, readPaging } from '../../http/paging.ts';
import { readBody } from '../../http/read-body.ts';
import { actorOf, projectRoutes } from './routes.ts';

const PATH = '/v1/organization/projects/:id/service_accounts';
/** What OpenAI calls the key of a new account. */
const FIRST_KEY = 'Secret Key';

export class ServiceAccountsApi implements Api {
  readonly #projects: ProjectOffice;
  readonly #keys: KeyOffice;

  constructor(projects: ProjectOffice, keys: KeyOffice) {
    this.#projects = projects;
    this.#keys = keys;
  }

  addTo(app: FastifyInstance, guards: Guards): void {
    const on = projectRoutes<{ id: string; account: string }>(app, guards, PATH, this.#projects);
    on('get', '', async ({ serviceAccounts }, { query }) =>
      pageOf([...serviceAccounts].reverse(), readPaging(query, 20, 100), toServiceAccountObject),
    );
    on('post', '', (project, request) => this.#create(actorOf(request), project, request.body));
    on('get', '/:account', async (project, { params: { account: id } }) =>
      toServiceAccountObject(accountOf(project, id)),
    );
    on('post', '/:account', async (project, request) => {
      const { account: id } = request.params;
      const { name = accountOf(project, id).name } = readBody(serviceAccountUpdate, request.body);
      const by = actorOf(request);
      return toServiceAccountObject(await this.#projects.renameAccount(by, project.id, id, name));
    });
    on('delete', '/:account', async (project, request) => {
      const { account: id } = request.params;
      await this.#projects.removeAccount(actorOf(request), project.id, id);
      return { id, object: 'organization.project.service_account.deleted', deleted: true };
    });
    on('post', '/:account/api_keys', async (project, request) => {
      const {
        name = FIRST_KEY,
        expires_in_seconds: expiresInS,
        scopes,
      } = readBody(serviceAccountKeyCreate, request.body);
      const wishes = { name, expiresInS, scopes };
      return shownOnce(await this.#keys.create(actorOf(request), project, request.params.account, wishes));
    });
  }

  async #create(by: Actor, project: Project, body: unknown): Promise<object> {
    const asked = readBody(serviceAccountCreate, body);
    const { name, expires_in_seconds: expiresInS, scopes } = asked;
    const isAlone = asked.create_service_account_only === true;
    if (!isAlone) this.#keys.checkReady();
    const account = await this.#projects.addAccount(by, project.id, name);
    if (isAlone) return { ...toServiceAccountObject(account), api_key: null };
    const grown = await this.#projects.find(project.id);
    const made = await this.#keys.create(by, grown, account.id, { name: FIRST_KEY, expiresInS, scopes });
    return { ...toServiceAccountObject(account), api_key: shownOnce(made) };
  }
}

function shownOnce({ key, text }: NewKey): object {
  return toNewKeyObject(key, text);
}
