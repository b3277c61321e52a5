import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { KeyRecord, Project } from '@penstock/protocol';
import { MemoryProjectRecords } from '@penstock/transport/memory';
import { isRefused } from '../caller.ts';
import { openKeyStore } from '../key-store.ts';
import { mintKey } from '../key-text.ts';
import { Peppers } from '../peppers.ts';
import { readProjectsText } from './file-text.ts';
import { ProjectsFile } from './projects-file.ts';
import { ProvisionedRecords } from './provisioned-records.ts';

const KEY = 'a-key-of-the-file-0001';
const OTHER = 'a-key-of-the-file-0002';
const PEPPERS = new Peppers(['p'.repeat(32)]);

const dir = mkdtempSync(join(tmpdir(), 'penstock-projects-'));
after(() => rmSync(dir, { recursive: true }));

const WHOLE = `{
  "projects": [
    {
      "id": "proj_search",
      "name": "Search",
      "models": { "allow": ["llama-*"] },
      "limits": { "*": { "rpm_limit": 100, "max_files": 10 } },
      "keys": [
        {
          "name": "indexer",
          "sha256": "${hash('sha256', KEY)}",
          "scopes": ["chat"],
          "expires_at": "2027-01-31"
        },
        { "name": "ci", "file": "ci-key" }
      ]
    }
  ]
}
`;

const noFiles = () => assert.fail('no file is named');

function problemOf(text: string, readKey: (path: string) => string = noFiles): string {
  try {
    readProjectsText(text, { readKey, createdAt: 1 });
    return 'fine';
  } catch (err) {
    return (err as Error).message;
  }
}

test('what is wrong in the file is said with its line', () => {
  const file = (...projects: string[]) => `{"projects": [\n${projects.join(',\n')}\n]}`;
  const project = (rest: string) => file(`{"id": "proj_a", "name": "A"${rest}}`);
  const keys = (...lines: string[]) => project(`,\n"keys": [\n${lines.join(',\n')}\n]`);
  const digest = hash('sha256', KEY);
  const wrong: [text: string, says: RegExp][] = [
    ['', /^line 1: a value is missing, or is no JSON$/],
    ['{}', /^line 1: projects: name the projects in a list$/],
    ['{"projects": [', /^line 1: /],
    ['{\n"projects": []\n', /^line 3: , or \} is missing$/],
    ['{\n"projects" []}', /^line 2: : is missing$/],
    ['{\nprojects: []}', /^line 2: the name of a field is missing: it stands in double quotes$/],
    ['{\n"projects": [],\n"projects": []}', /^line 3: a field is there twice$/],
    ['{"projects": []}\n}', /^line 2: there is something behind the end$/],
    ['{"projects": [],\n}', /^line 2: the name of a field is missing/],
    ['['.repeat(10_000), /^line 1: it is nested too deeply$/],
    [file('{"name": "A"}'), /^line 2: id: give the id of a project: proj_/],
    [file('{"id": "search", "name": "A"}'), /^line 2: id: give the id of a project/],
    [project(',\n"model": {}'), /^line 2: there is no model here$/],
    [project(',\n"models": {"allow": ["a"], "deny": ["b"]}'), /^line 3: models: say either allow or deny$/],
    [project(',\n"limits": {"*": {"rpm": 5}}'), /^line 3: .*(limits are rpm_limit|there is no rpm here)/],
    [
      project(',\n"limits": {"m": {"max_files": 5}}'),
      /^line 3: max_files: give it for all models together \(\*\)/,
    ],
    [keys('{"name": "k"}'), /^line 4: keys: a key needs either sha256 or file$/],
    [keys('{"name": "k", "sha256": "abc"}'), /^line 4: sha256: give the SHA-256 of the key/],
    [keys(`{"name": "k", "sha256": "${digest}", "scopes": ["cat"]}`), /^line 4: scopes: use chat/],
    [keys(`{"name": "k", "sha256": "${digest}", "expires_at": "soon"}`), /^line 4: expires_at: give a date/],
    [
      keys(...['k', 'l'].map(name => `{"name": "${name}", "sha256": "${digest}"}`)),
      /^line 5: this key is in the file twice$/,
    ],
    [
      file('{"id": "proj_a", "name": "A"}', '{"id": "proj_a", "name": "B"}'),
      /^line 3: there is another project of this id$/,
    ],
    [keys('{"name": "k", "file": "../ci"}'), /^line 4: \.\.\/ci cannot be read \(ENOENT\)$/],
  ];
  const gone = () => {
    throw Object.assign(new Error('gone'), { code: 'ENOENT' });
  };
  for (const [text, says] of wrong) assert.match(problemOf(text, gone), says, text.slice(0, 200));
  const short = keys('{"name": "k", "file": "ci"}');
  assert.match(
    problemOf(short, () => 'short'),
    /^line 4: ci has to hold one key of 16/,
  );
  assert.equal(
    problemOf(WHOLE, () => OTHER),
    'fine',
  );
});

async function start() {
  const path = join(dir, 'projects.json');
  writeFileSync(path, WHOLE);
  writeFileSync(join(dir, 'ci-key'), `${OTHER}\n`);
  const state = { ms: 0, said: [] as string[] };
  const say = (about: object, text: string) => void state.said.push(`${text} ${JSON.stringify(about)}`);
  const clock = { monotonic: () => state.ms, now: () => Date.UTC(2026, 11) + state.ms };
  const log = { info: say, error: say } as never;
  const file = await ProjectsFile.open({ path, clock, log });
  const kept = new MemoryProjectRecords();
  const records = new ProvisionedRecords(kept, file.provisioned);
  const { ring, tick } = openKeyStore({
    ...{ records, provisioned: file.provisioned, tokens: null, configured: [], admins: [], peppers: PEPPERS },
    ...{ graceMs: 1000, clock },
  });
  const pass = async (ms: number) => {
    state.ms += ms;
    await file.tick();
    tick();
    await new Promise(resolve => setImmediate(resolve));
  };
  await pass(0);
  const stands = async (text: string) => {
    const caller = await ring.callerOf(text);
    return isRefused(caller) ? caller.refused : `${caller.project} ${caller.permissions.scopes}`;
  };
  return { path, state, kept, records, file, pass, stands };
}

test('keys of the file stand for its projects, whether the store is there or not, until they expire', async () => {
  const { kept, stands, pass } = await start();
  kept.connected = false;
  assert.deepEqual([await stands(KEY), await stands(OTHER)], ['proj_search chat', 'proj_search null']);
  await pass(62 * 86_400_000);
  assert.deepEqual([await stands(KEY), await stands(OTHER)], ['expired', 'proj_search null']);
});

test('a change counts seconds later; a broken file keeps what it said, is logged once, and mended counts again', async () => {
  const { path, state, file, pass, stands } = await start();
  writeFileSync(join(dir, 'ci-key'), 'another-key-of-the-file\n');
  await pass(3000);
  assert.deepEqual(
    [await stands(OTHER), await stands('another-key-of-the-file')],
    ['unknown', 'proj_search null'],
  );
  writeFileSync(path, WHOLE.replace('"proj_search"', '"search"'));
  for (let i = 0; i < 3; i++) await pass(3000);
  assert.match(file.problem ?? '', /^line 4: id: /);
  assert.equal(await stands(KEY), 'proj_search chat');
  assert.equal(state.said.filter(line => /is refused, .*line 4/.test(line)).length, 1);
  rmSync(path);
  await pass(3000);
  assert.match(file.problem ?? '', /cannot be read \(ENOENT\)/);
  writeFileSync(path, '{"projects": []}');
  await pass(3000);
  assert.deepEqual([file.problem, await stands(KEY)], [null, 'unknown']);
  assert.ok(!JSON.stringify(state.said).includes(OTHER));
});

test('what the file says of a project counts; keys made for it go on; nothing of it is changed here', async () => {
  const { kept, records, stands, pass } = await start();
  const before: Project = {
    ...{
      id: 'proj_search',
      name: 'before',
      createdAt: 1,
      archivedAt: 2,
      revision: 1,
      models: null,
      weight: 1,
    },
    ...{ serviceAccounts: [{ id: 'svc_1', name: 'a', createdAt: 1 }], limits: {} },
  };
  await kept.putProject(before);
  const minted = mintKey('api');
  const made: KeyRecord = {
    ...{ id: minted.id, project: 'proj_search', account: 'svc_1', name: 'k', hint: '…', createdAt: 1 },
    ...{ expiresAt: null, scopes: ['files'], revision: 1, ...(PEPPERS.mark(minted.text) ?? assert.fail()) },
  };
  await kept.putKey(made);
  await pass(1000);
  assert.equal(await stands(minted.text), 'proj_search files');
  const [project] = await records.projects();
  assert.deepEqual([project?.name, project?.archivedAt, project?.isInFile], ['Search', null, true]);
  const keys = await records.keys('proj_search');
  assert.equal(keys.length, 3);
  const inFile = keys[0] ?? assert.fail();
  const refused = { code: 'kept_in_file' };
  await assert.rejects(records.putProject({ ...before, revision: 2 }), refused);
  await assert.rejects(records.putKey({ ...made, id: 'key_new' }), refused);
  await assert.rejects(records.putKey({ ...inFile, revision: 1 }), refused);
  await assert.rejects(records.removeKey(inFile), refused);
  assert.ok(await records.putKey({ ...made, expiresAt: 5, revision: 2 }));
  assert.ok(await records.removeKey(made));
});
