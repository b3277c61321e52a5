import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram, sayLine, startStep } from './progress.mjs';

function output(terminal: { columns: number } | null) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  return {
    written,
    out: { write, isTTY: terminal !== null, ...terminal } as unknown as typeof process.stderr,
  };
}

test('where there is no terminal, a step says a line at once and then one every three seconds', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { written, out } = output(null);
  const step = startStep('building', out);
  step.note('12 packages');
  t.mock.timers.tick(2999);
  assert.deepEqual(written, ['penstock: building\n']);
  t.mock.timers.tick(1);
  assert.match(written[1] ?? '', /^penstock: building: 12 packages, \d+ s\n$/);
  step.end('done');
  assert.match(written[2] ?? '', /^penstock: building: done, \d+ s\n$/);
  t.mock.timers.tick(10_000);
  assert.equal(written.length, 3);
});

test('on a terminal one line is written anew, never wider than the terminal', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { written, out } = output({ columns: 30 });
  const term = process.env['TERM'];
  process.env['TERM'] = 'xterm';
  t.after(() => {
    process.env['TERM'] = term ?? '';
  });
  const step = startStep('building', out);
  step.note('github.com/somebody/something/very/long');
  t.mock.timers.tick(500);
  sayLine('something else', out);
  step.end();
  const text = written.join('');
  assert.ok(text.includes('\r\x1b[2Kpenstock: something else\n'));
  assert.equal(text.split('\n').length, 2);
  for (const line of text.split('\r\x1b[2K')) assert.ok(line.length < 31, line);
});

test('a program is shown line by line, and its end and last words are known', async () => {
  const lines: string[] = [];
  const script = 'process.stdout.write("one\\ntw"); process.stderr.write("o\\n"); process.exit(3)';
  const failed = await runProgram(process.execPath, ['-e', script], { onLine: line => lines.push(line) });
  assert.equal(failed.ok, false);
  assert.ok(lines.includes('one') && failed.lines.includes('one'));
  const missing = await runProgram('/nowhere/program', []);
  assert.ok(!missing.ok && /ENOENT/.test(missing.lines.join()));
});
