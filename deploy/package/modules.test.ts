import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { manifestOf, shrinkwrapOf } from './manifest.ts';
import { collectModules } from './modules.ts';

/** A repository of two workspaces. @param files further ones, or others in their place. */
function repository(t: { after(run: () => void): void }, files: Record<string, string> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'penstock-pack-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const all = {
    'package.json': '{"name":"top","version":"1.2.3"}',
    'package-lock.json': JSON.stringify({
      packages: {
        '': { name: 'top' },
        'libs/words': { name: '@penstock/words' },
        'node_modules/@penstock/words': { resolved: 'libs/words', link: true },
        'node_modules/left': { version: '1.0.0', integrity: 'sha512-x' },
        'node_modules/linter': { version: '9.0.0', dev: true },
      },
    }),
    'libs/words/package.json':
      '{"name":"@penstock/words","exports":{".":"./index.ts","./loud":"./loud/index.ts"},"dependencies":{"left":"1.0.0"}}',
    'libs/words/index.ts': "export type { Word } from './word.ts';\nexport const word: string = 'hello';\n",
    'libs/words/word.ts': 'export interface Word {\n  text: string;\n}\n',
    'libs/words/loud/index.ts': "import left from 'left';\nexport const loud = left;\n",
    'libs/words/index.test.ts': 'throw new Error();\n',
    'services/talk/package.json': '{"name":"@penstock/talk","dependencies":{"@penstock/words":"*"}}',
    'services/talk/main.ts':
      "import { join } from 'node:path';\nimport { word } from '@penstock/words';\n" +
      "import data from './data.json' with { type: 'json' };\nimport {\n  type Later,\n  later,\n} from './later.ts';\n" +
      "const { loud } = await import('@penstock/words/loud');\nlater(join(word, loud, data.x) as Later);\n",
    'services/talk/later.ts':
      'export type Later = string;\nexport const later = (text: Later): void => {};\n',
    'services/talk/data.json': '{"x":"y"}',
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const ENTRIES = ['services/talk/main.ts'];

test('what an entry reaches is packed without types, tests and what only types name, with imports that need no workspaces', t => {
  const { files, packages } = collectModules(repository(t), ENTRIES);
  assert.deepEqual([...files.keys()].sort(), [
    'libs/words/index.js',
    'libs/words/loud/index.js',
    'services/talk/data.json',
    'services/talk/later.js',
    'services/talk/main.js',
  ]);
  const main = files.get('services/talk/main.js') ?? '';
  assert.match(main, /from 'node:path'/);
  assert.match(main, /from '\.\.\/\.\.\/libs\/words\/index\.js'/);
  assert.match(main, /import\('\.\.\/\.\.\/libs\/words\/loud\/index\.js'\)/);
  assert.match(main, /from '\.\/data\.json' with/);
  assert.match(main, /from '\.\/later\.js'/);
  assert.doesNotMatch(main, /Later/);
  assert.deepEqual([...packages], [['left', 'libs/words/loud/index.ts']]);
});

test('an import that leads nowhere is named with its file', t => {
  const nowhere = repository(t, { 'services/talk/later.ts': "import './gone.ts';\n" });
  assert.throws(
    () => collectModules(nowhere, ENTRIES),
    /services\/talk\/gone\.ts is to be packed, but is not there/,
  );
  const unexported = repository(t, { 'services/talk/later.ts': "import '@penstock/words/inner';\n" });
  assert.throws(
    () => collectModules(unexported, ENTRIES),
    /later\.ts imports @penstock\/words\/inner, which no workspace/,
  );
});

test('the package depends on what its workspaces do, and carries what the lock says of it', t => {
  const root = repository(t);
  const manifest = manifestOf(root, 'bin.mjs', collectModules(root, ENTRIES));
  assert.deepEqual(manifest.dependencies, { left: '1.0.0' });
  assert.equal(manifest.version, '1.2.3');
  const { packages } = shrinkwrapOf(root, manifest) as { packages: object };
  assert.deepEqual(Object.keys(packages), ['', 'node_modules/left']);
});

test('what could not be installed as it was tested is refused', t => {
  const refused: [string, Record<string, string>][] = [
    ['later.ts imports linter, which none of the packed', { 'services/talk/later.ts': "import 'linter';\n" }],
    ['pin left to one version, not \\^2', { 'package.json': '{"dependencies":{"left":"^2"}}' }],
    ['left is 2.0.0 here and 1.0.0 elsewhere', { 'package.json': '{"dependencies":{"left":"2.0.0"}}' }],
  ];
  for (const [why, files] of refused) {
    const root = repository(t, files);
    assert.throws(() => manifestOf(root, 'bin.mjs', collectModules(root, ENTRIES)), new RegExp(why));
  }
  const nested = { packages: { 'services/talk/node_modules/left': { version: '2.0.0' } } };
  const root = repository(t, { 'package-lock.json': JSON.stringify(nested) });
  const manifest = manifestOf(root, 'bin.mjs', collectModules(root, ENTRIES));
  assert.throws(() => shrinkwrapOf(root, manifest), /two workspaces need different versions/);
});
