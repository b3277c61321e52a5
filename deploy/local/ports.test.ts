import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { freePorts, tryPort } from './ports.ts';

const run = promisify(execFile);
const MODULE = new URL('ports.ts', import.meta.url).href;
/** Says which ports it was given, and keeps them until its input ends. */
const CHOOSER = `import { freePorts } from ${JSON.stringify(MODULE)};
console.log(JSON.stringify(await freePorts(1500)));
process.stdin.resume();`;

async function firstLine(output: Readable | null): Promise<string> {
  for await (const line of createInterface({ input: output ?? assert.fail() })) return line;
  assert.fail('it ended without a line');
}

test('processes that choose ports at the same time are never given the same', async () => {
  const choosers = Array.from({ length: 4 }, () =>
    run(process.execPath, ['--input-type=module', '--eval', CHOOSER]),
  );
  const given = await Promise.all(choosers.map(({ child }) => firstLine(child.stdout)));
  for (const { child } of choosers) child.stdin?.end();
  await Promise.all(choosers);
  assert.equal(new Set(given.flatMap(line => JSON.parse(line) as number[])).size, 4 * 1500);
});

test('ports asked for at once are different, free, and none that is meant for something else', async () => {
  const first = await freePorts(5);
  const given = await Promise.all(Array.from({ length: 10 }, () => freePorts(5, first)));
  assert.equal(new Set([...first, ...given.flat()]).size, 55);
  for (const port of given.flat()) assert.equal(await tryPort('127.0.0.1', port), null);
});

test('choosing ports keeps no process alive', async () => {
  const code = `import { freePort } from ${JSON.stringify(MODULE)}; console.log(await freePort());`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], {
    timeout: 30_000,
  });
  assert.match(stdout, /^\d+\n$/);
});
