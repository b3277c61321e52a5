/** What every store of projects and keys has to keep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyRecord, Project } from '@penstock/protocol';
import type { ProjectRecords } from '../ports/project-records.ts';

const PROJECT: Project = {
  ...{
    id: 'proj_1',
    name: 'one',
    createdAt: 1,
    archivedAt: null,
    serviceAccounts: [],
    limits: {},
    models: null,
    weight: 1,
  },
  revision: 1,
};
const KEY: KeyRecord = {
  ...{ id: 'key_1', project: 'proj_1', account: 'svc_acct_1', name: 'k', hmac: 'ab', pepper: 'p' },
  ...{ hint: '…1', createdAt: 1, expiresAt: null, scopes: ['chat'], revision: 1 },
};

/** Registers the tests. @param subject the empty store under test; asked for within each test. */
export function testProjectRecords(subject: () => ProjectRecords): void {
  test('a project is changed by who has read its latest revision, and every change raises the version', async () => {
    const records = subject();
    const before = await records.version();
    assert.equal(await records.putProject(PROJECT), true);
    assert.equal(await records.putProject({ ...PROJECT, name: 'twin' }), false, 'it is there');
    assert.equal(await records.putProject({ ...PROJECT, name: 'new', revision: 2 }), true);
    assert.equal(await records.putProject({ ...PROJECT, name: 'old', revision: 2 }), false);
    assert.deepEqual(await records.project('proj_1'), { ...PROJECT, name: 'new', revision: 2 });
    assert.equal(await records.project('proj_none'), null);
    assert.equal(await records.version(), before + 2);
    await records.putProject({ ...PROJECT, id: 'proj_0', createdAt: 0 });
    const ids = (await records.projects()).map(({ id }) => id);
    assert.deepEqual(ids.sort(), ['proj_0', 'proj_1']);
    assert.equal(records.connected, true);
  });

  test('keys are listed with their project until they are removed', async () => {
    const records = subject();
    await records.putKey(KEY);
    await records.putKey({ ...KEY, id: 'key_2', createdAt: 2 });
    await records.putKey({ ...KEY, id: 'key_a', project: null, account: null, scopes: null });
    const idsOf = async (project: string | null) => (await records.keys(project)).map(({ id }) => id);
    assert.deepEqual(await idsOf('proj_1'), ['key_1', 'key_2']);
    assert.deepEqual(await idsOf(null), ['key_a']);
    assert.deepEqual(await idsOf('proj_none'), []);
    assert.deepEqual(await records.key('key_1'), KEY);
    const before = await records.version();
    assert.equal(await records.removeKey(KEY), true);
    assert.ok((await records.version()) > before);
    assert.equal(await records.removeKey(KEY), false);
    assert.equal(await records.key('key_1'), null);
    assert.deepEqual(await idsOf('proj_1'), ['key_2']);
  });

  test('when a key was used is kept apart from it, and changes no version', async () => {
    const records = subject();
    const before = await records.version();
    await records.noteUses(new Map([['key_u', 60]]));
    await records.noteUses(new Map());
    assert.deepEqual(await records.uses(['key_none', 'key_u']), [null, 60]);
    assert.deepEqual(await records.uses([]), []);
    assert.equal(await records.version(), before);
  });
}
