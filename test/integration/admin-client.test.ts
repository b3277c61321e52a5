/** The admin client of the official SDK against a whole ingress in memory: projects, keys, what they may do, and that they are revoked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { startMemoryIngress } from '../../services/ingress/ingress.fixture.ts';

const ADMIN = 'an-admin-key-of-tests';

function clientOf(url: string, adminAPIKey: string, apiKey = 'sk-none') {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, adminAPIKey, maxRetries: 0 });
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

/** As `200`, or the code of the error. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return '200';
  } catch (err) {
    const { status, code } = err as InstanceType<typeof OpenAI.APIError>;
    return `${status} ${code}`;
  }
}

test('a project gets a key with scopes, which is used, changed and revoked', async () => {
  await using ingress = await startMemoryIngress();
  const { projects } = clientOf(ingress.url, ADMIN).admin.organization;
  const project = await projects.create({ name: 'team' });
  assert.match(project.id, /^proj_[a-z0-9]+$/);
  assert.equal(project.status, 'active');
  assert.equal((await projects.update(project.id, { name: 'other' })).name, 'other');
  const account = await projects.serviceAccounts.create(project.id, { name: 'ci' });
  const text = account.api_key?.value ?? assert.fail();
  const scoped = await projects.serviceAccounts.apiKeys.create(account.id, {
    ...{ project_id: project.id, name: 'files only', scopes: ['files'], expires_in_seconds: 3600 },
  });
  const models = (key: string) => outcome(clientOf(ingress.url, '-', key).models.list());
  const chat = (key: string) =>
    outcome(clientOf(ingress.url, '-', key).chat.completions.create({ model: 'none', messages: [] }));
  assert.equal(await models(text), '200');
  assert.equal(await models(scoped.value), '200');
  assert.equal(await chat(text), '400 invalid_request', 'let in');
  assert.equal(await chat(scoped.value), '403 missing_scope');
  const keys = await all(projects.apiKeys.list(project.id, { limit: 1 }));
  assert.deepEqual(
    keys.map(({ id }) => id),
    [scoped.id, account.api_key?.id],
    'page by page, newest first',
  );
  assert.ok(!JSON.stringify(keys).includes(text), 'a key is shown once');
  assert.equal(keys[1]?.owner.service_account?.name, 'ci');
  await projects.apiKeys.update(scoped.id, { project_id: project.id, scopes: ['chat'] });
  ingress.pass(1000);
  await new Promise(resolve => setImmediate(resolve));
  assert.equal(await chat(scoped.value), '400 invalid_request');
  await projects.apiKeys.delete(scoped.id, { project_id: project.id });
  ingress.pass(1000);
  await new Promise(resolve => setImmediate(resolve));
  assert.equal(await models(scoped.value), '401 invalid_api_key');
  await projects.archive(project.id);
  ingress.pass(1000);
  await new Promise(resolve => setImmediate(resolve));
  assert.equal(await models(text), '401 invalid_api_key');
  assert.deepEqual(await all(projects.list()), []);
  assert.equal((await all(projects.list({ include_archived: true }))).length, 1);
});

test('admin keys never infer, API keys never administer, and an admin key makes others', async () => {
  await using ingress = await startMemoryIngress();
  const admin = clientOf(ingress.url, ADMIN).admin.organization;
  const made = await admin.adminAPIKeys.create({ name: 'second' });
  const { projects, adminAPIKeys } = clientOf(ingress.url, made.value).admin.organization;
  const { id } = await projects.create({ name: 'a' });
  const account = await projects.serviceAccounts.create(id, { name: 'b' });
  for (const key of [made.value, ADMIN])
    assert.equal(await outcome(clientOf(ingress.url, '-', key).models.list()), '401 invalid_api_key');
  const own = clientOf(ingress.url, account.api_key?.value ?? '').admin.organization;
  assert.equal(await outcome(own.projects.list()), '403 admin_key_required');
  assert.equal(await outcome(own.projects.create({ name: 'mine' })), '403 admin_key_required');
  assert.equal(
    await outcome(clientOf(ingress.url, 'nobody').admin.organization.projects.list()),
    '401 invalid_api_key',
  );
  assert.deepEqual(
    (await all(adminAPIKeys.list())).map(key => key.name),
    ['second'],
  );
  assert.equal((await adminAPIKeys.delete(made.id)).deleted, true);
  ingress.pass(1000);
  await new Promise(resolve => setImmediate(resolve));
  assert.equal(await outcome(projects.list()), '401 invalid_api_key');
});

test('a project sees and uses the models that it may, and none else', async () => {
  await using ingress = await startMemoryIngress();
  const { projects } = clientOf(ingress.url, ADMIN).admin.organization;
  const { id } = await projects.create({ name: 'team' });
  const account = await projects.serviceAccounts.create(id, { name: 'ci' });
  const client = clientOf(ingress.url, '-', account.api_key?.value);
  const names = async () => (await client.models.list()).data.map(model => model.id);
  assert.deepEqual(await names(), ['m']);
  await projects.modelPermissions.update(id, { mode: 'deny_list', model_ids: ['m'] });
  ingress.pass(1000);
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(await names(), []);
  assert.equal(await outcome(client.models.retrieve('m')), '404 model_not_found');
  const messages = [{ role: 'user' as const, content: 'hi' }];
  assert.equal(
    await outcome(client.chat.completions.create({ model: 'm', messages })),
    '404 model_not_found',
  );
  assert.equal(await outcome(client.responses.create({ model: 'm', input: 'hi' })), '404 model_not_found');
  assert.equal((await projects.modelPermissions.retrieve(id)).mode, 'deny_list');
  await projects.modelPermissions.delete(id);
  ingress.pass(1000);
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(await names(), ['m']);
});

test('limits are kept by model, and a field that would do nothing is refused', async () => {
  await using ingress = await startMemoryIngress();
  const { projects } = clientOf(ingress.url, ADMIN).admin.organization;
  const { id } = await projects.create({ name: 'team' });
  const limit = await projects.rateLimits.updateRateLimit('rl-m', {
    project_id: id,
    max_requests_per_1_minute: 5,
  });
  assert.deepEqual([limit.id, limit.model, limit.max_requests_per_1_minute], ['rl-m', 'm', 5]);
  const listed = await all(projects.rateLimits.listRateLimits(id));
  assert.deepEqual(listed, [limit]);
  const images = projects.rateLimits.updateRateLimit('rl-m', { project_id: id, max_images_per_1_minute: 5 });
  assert.equal(await outcome(images), '400 invalid_request');
  const ofModel = projects.rateLimits.updateRateLimit('rl-m', { project_id: id, ...{ max_files: 5 } });
  assert.equal(await outcome(ofModel), '400 invalid_request', 'files are of no model');
  const ofAll = { project_id: id, ...{ max_files: 5 } };
  const kept = (await projects.rateLimits.updateRateLimit('rl-*', ofAll)) as unknown as Record<
    string,
    unknown
  >;
  assert.deepEqual([kept['max_files'], kept['max_open_batches']], [5, null]);
  assert.equal(await outcome(projects.retrieve('proj_none')), '404 project_not_found');
  assert.equal(await outcome(projects.apiKeys.retrieve('key_none', { project_id: id })), '404 key_not_found');
});

test('what projects use of their limits is listed, page by page or by id, and only what is on the page is read', async () => {
  await using ingress = await startMemoryIngress();
  const client = clientOf(ingress.url, ADMIN);
  const { projects } = client.admin.organization;
  const keys: string[] = [];
  const ids: string[] = [];
  for (const name of ['one', 'two', 'three']) {
    const { id } = await projects.create({ name });
    await projects.rateLimits.updateRateLimit('rl-*', {
      project_id: id,
      max_requests_per_1_minute: 1,
      ...{ max_files: 9 },
    });
    const account = await projects.serviceAccounts.create(id, { name: 'ci' });
    ids.push(id);
    keys.push(account.api_key?.value ?? assert.fail());
  }
  const call = { model: 'm', messages: [{ role: 'user' as const, content: 'hi' }] };
  for (const key of [...keys, keys[0] ?? '']) {
    // The first is let through, and answered by nobody.
    void clientOf(ingress.url, '-', key)
      .chat.completions.create(call)
      .catch(() => {});
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  for (let s = 0; s < 6; s++) ingress.pass(1000);
  const list = (query: object) =>
    client.get<UsagePage>('/organization/usage/limits', {
      query,
      headers: { authorization: `Bearer ${ADMIN}` },
    });
  const whole = await list({});
  assert.deepEqual(whole.data.map(({ project_id: id }) => id).toSorted(), ids.toSorted());
  const first = await list({ limit: 2 });
  const rest = await list({ limit: 2, after: first.last_id });
  assert.deepEqual([...first.data, ...rest.data], whole.data);
  assert.deepEqual([first.has_more, rest.has_more], [true, false]);
  const [one] = (await list({ project_ids: [ids[0]] })).data;
  assert.deepEqual(
    [one?.object, one?.project_name, one?.refused_today],
    ['organization.usage.limits.result', 'one', { rpm_limit: 1 }],
  );
  assert.deepEqual(one?.limits, [
    { name: 'rpm_limit', model: null, limit: 1, used: 1, remaining: 0, enforced: true },
    { name: 'max_files', model: null, limit: 9, used: 0, remaining: 9, enforced: true },
  ]);
  assert.equal(await outcome(list({ project_ids: ['no project'] })), '400 invalid_request');
  assert.equal(await outcome(list({ after: 'proj_none' })), '400 invalid_request');
  const own = clientOf(ingress.url, '-', keys[0]).get('/organization/usage/limits');
  assert.equal(await outcome(own), '403 admin_key_required');
});

interface UsagePage {
  readonly data: readonly {
    readonly object: string;
    readonly project_id: string;
    readonly project_name: string | null;
    readonly limits: readonly object[];
    readonly refused_today: Readonly<Record<string, number>>;
  }[];
  readonly last_id: string;
  readonly has_more: boolean;
}

test('the audit log tells who did what, page by page and by filters, and shows no key', async () => {
  await using ingress = await startMemoryIngress();
  const { projects, auditLogs, adminAPIKeys } = clientOf(ingress.url, ADMIN).admin.organization;
  const { id } = await projects.create({ name: 'team' });
  const account = await projects.serviceAccounts.create(id, { name: 'ci' });
  const made = await adminAPIKeys.create({ name: 'second' });
  await clientOf(ingress.url, made.value).admin.organization.projects.update(id, { name: 'Team' });
  await outcome(clientOf(ingress.url, 'nobody-knows').admin.organization.projects.list());
  const logs = await all(auditLogs.list({ limit: 2 }));
  const [refused, updated, , key, , created] = logs;
  assert.deepEqual(
    logs.map(({ type }) => type as string),
    [
      ...['key.use', 'project.updated', 'api_key.created', 'api_key.created', 'service_account.created'],
      'project.created',
    ],
  );
  assert.deepEqual(updated?.actor?.api_key?.id, made.id);
  assert.deepEqual(updated?.['project.updated'], { id, changes_requested: { name: 'Team' } });
  assert.match(created?.actor?.api_key?.id ?? '', /^[0-9a-f]{16}$/);
  assert.deepEqual([key?.project?.id, key?.['api_key.created']?.id], [id, account.api_key?.id]);
  assert.equal(refused?.actor?.session?.ip_address, '127.0.0.1');
  const shown = JSON.stringify(logs);
  for (const secret of [made.value, account.api_key?.value ?? '', ADMIN, 'nobody-knows'])
    assert.ok(!shown.includes(secret));
  const idsOf = async (query: OpenAI.Admin.Organization.AuditLogListParams) =>
    (await all(auditLogs.list(query))).map(each => each.id);
  const [newest] = logs;
  const { effective_at: at = 0 } = newest ?? {};
  assert.deepEqual(await idsOf({ event_types: ['project.created', 'project.updated'] }), [
    ...[updated?.id, created?.id],
  ]);
  assert.deepEqual(await idsOf({ actor_ids: [made.id] }), [updated?.id]);
  assert.equal((await idsOf({ project_ids: [id] })).length, 4);
  assert.deepEqual(await idsOf({ resource_ids: [account.id] }), [logs[4]?.id]);
  assert.equal((await idsOf({ effective_at: { gte: at } })).length, 6);
  assert.deepEqual(await idsOf({ effective_at: { gt: at } }), []);
  assert.equal(await outcome(auditLogs.list({ actor_emails: ['a@b'] })), '400 invalid_request');
  assert.equal(await outcome(auditLogs.list({ after: 'audit_log_x' })), '400 invalid_request');
  const own = clientOf(ingress.url, account.api_key?.value ?? '').admin.organization;
  assert.equal(await outcome(own.auditLogs.list()), '403 admin_key_required');
});
