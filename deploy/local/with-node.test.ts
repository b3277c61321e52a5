/** The first run of a checkout, with an npm that is played. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';

const HERE = import.meta.dirname;
const INSTALLS = 'mkdir -p node_modules; echo "npm http fetch GET 200 https://x/y.tgz 12ms (cache miss)"';

/** A checkout with the program that starts everything, and one to start. */
function checkout(t: TestContext, npm: string) {
  const root = mkdtempSync(join(tmpdir(), 'penstock-checkout-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const local = join(root, 'deploy/local');
  mkdirSync(local, { recursive: true });
  for (const file of ['with-node.mjs', 'node-version.mjs', 'progress.mjs', 'setup-lock.mjs'])
    copyFileSync(join(HERE, file), join(local, file));
  writeFileSync(join(root, 'package-lock.json'), '{}');
  writeFileSync(join(root, 'main.ts'), 'console.log("it runs");');
  const bin = join(root, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'npm'), `#!/bin/sh\n${npm}\n`);
  chmodSync(join(bin, 'npm'), 0o755);
  const start = () =>
    spawn(process.execPath, [join(local, 'with-node.mjs'), 'main.ts'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        NODE_TEST_CONTEXT: '',
        NODE_COMPILE_CACHE: '',
        PATH: `${bin}:${process.env['PATH']}`,
      },
    });
  return { root, start, lock: join(root, '.tools/setup.lock') };
}

async function ended(child: ChildProcess) {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', text => {
      output += text;
    });
  const code = await new Promise<number | null>(resolve => child.on('close', resolve));
  return { code, output };
}

function says(child: ChildProcess, words: string): Promise<void> {
  return new Promise(resolve => {
    let output = '';
    child.stderr?.on('data', text => {
      output += text;
      if (output.includes(words)) resolve();
    });
  });
}

test('packages are installed once, and it says so', async t => {
  const { start } = checkout(t, INSTALLS);
  const first = await ended(start());
  assert.equal(first.code, 0, first.output);
  assert.match(
    first.output,
    /^penstock: installing npm packages\npenstock: installing npm packages: done, \d+ s\nit runs/,
  );
  assert.equal((await ended(start())).output, 'it runs\n');
});

test('where Node is too old, the one of the lockfile is installed, by its hash and without running anything of a package', {
  skip: !/^(x64|arm64)$/.test(process.arch) || process.platform !== 'linux' ? 'only on Linux' : false,
}, async t => {
  const { root, start } = checkout(
    t,
    `echo "$@" >> asked; [ "$2" = --prefix ] || exit 0
     test -s "$3/package-lock.json" || exit 1
     bin="$3/node_modules/node-linux-${process.arch}/bin"; mkdir -p "$bin"; ln -s ${process.execPath} "$bin/node"`,
  );
  writeFileSync(
    join(root, 'deploy/local/node-version.mjs'),
    "export const isNewEnough = () => false;\nexport const LEAST_NODE = '24.12';\n",
  );
  cpSync(join(HERE, 'node'), join(root, 'deploy/local/node'), { recursive: true });
  mkdirSync(join(root, 'node_modules'));
  const first = await ended(start());
  assert.match(first.output, /installing Node into \.tools, as this one is v[\s\S]*\nit runs\n$/);
  const asked = readFileSync(join(root, 'asked'), 'utf8').trim().split('\n');
  assert.match(asked[0] ?? '', /^ci --prefix \S+\.tools\/node --ignore-scripts /);
  assert.equal((await ended(start())).output, 'it runs\n');
  const { packages } = JSON.parse(readFileSync(join(HERE, 'node/package-lock.json'), 'utf8')) as {
    packages: Record<string, { integrity?: string; hasInstallScript?: boolean }>;
  };
  const { '': _, ...nodes } = packages;
  assert.equal(Object.keys(nodes).length, 2);
  for (const { integrity, hasInstallScript } of Object.values(nodes))
    assert.ok(integrity?.startsWith('sha512-') && hasInstallScript !== true);
});

test('why npm failed is one line with the remedy', async t => {
  for (const [said, line] of [
    ['npm error code ENOTFOUND', /cannot reach its registry \(ENOTFOUND; .*proxy\)\. Run this again/],
    ['npm error code EROFS', /cannot write to .* \(EROFS\)/],
    ['npm error code EUSAGE\nnpm error The lock file is damaged', /failed: The lock file is damaged\. /],
  ] as const) {
    const { start } = checkout(t, `echo "${said}" >&2; exit 1`);
    const { code, output } = await ended(start());
    assert.equal(code, 1);
    const [, ...lines] = output.trim().split('\n');
    assert.match(lines.join('\n'), line);
    assert.equal(lines.length, 1, output);
  }
});

test('a second start waits for the first, and finds everything done', async t => {
  const { root, start } = checkout(t, `while [ ! -e go ]; do sleep 0.05; done; ${INSTALLS}`);
  const [one, two] = [start(), start()];
  const outputs = Promise.all([ended(one), ended(two)]);
  await Promise.race([one, two].map(child => says(child, 'which installs here')));
  writeFileSync(join(root, 'go'), '');
  const both = (await outputs).map(({ output }) => output);
  assert.ok(
    both.every(output => output.endsWith('it runs\n')),
    both.join('\n'),
  );
  assert.equal(both.filter(output => output.includes('done')).length, 1);
});

test('Ctrl-C while it installs leaves nothing that the next start would wait for', async t => {
  const { root, start, lock } = checkout(
    t,
    `if [ ! -e go ]; then touch begun; exec sleep 60; fi; ${INSTALLS}`,
  );
  const child = start();
  const first = ended(child);
  while (!existsSync(join(root, 'begun'))) await new Promise(resolve => setTimeout(resolve, 20));
  child.kill('SIGINT');
  const { code, output } = await first;
  assert.equal(code, 130);
  assert.match(output, /stopped; the next start finishes what is missing/);
  assert.equal(existsSync(lock), false);
  writeFileSync(join(root, 'go'), '');
  assert.match((await ended(start())).output, /it runs/);
});

test('what a killed process left behind is no obstacle, at whatever moment it was killed', async t => {
  for (const owner of ['4194303\n', null]) {
    const { start, lock } = checkout(t, INSTALLS);
    mkdirSync(lock, { recursive: true });
    if (owner !== null) writeFileSync(join(lock, 'owner'), owner);
    const { output } = await ended(start());
    assert.match(output, /it runs/);
    assert.doesNotMatch(output, /waiting for process/);
    assert.deepEqual(readdirSync(dirname(lock)), []);
  }
});
