import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { z } from 'zod';
import { ConfigError, readConfig } from './read-config.ts';

const dir = mkdtempSync(join(tmpdir(), 'penstock-config-'));
after(() => rmSync(dir, { recursive: true, force: true }));

function fileOf(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const schema = z.object({
  KEY: z.string().min(8, 'too short'),
  PORT: z.coerce.number().int().default(80),
  OTHER_PORT: z.coerce.number('give a port').int().max(9, 'give a port').default(8),
});

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(schema, env);
  } catch (err) {
    if (err instanceof ConfigError) return err.problems;
  }
  return [];
}

test('a setting may be the content of a file, without the line break at its end', () => {
  const PORT_FILE = fileOf('port', '81');
  for (const text of ['sk-01234567', 'sk-01234567\n', 'sk-01234567\r\n'])
    assert.deepEqual(readConfig(schema, { KEY_FILE: fileOf('key', text), PORT_FILE }), {
      KEY: 'sk-01234567',
      PORT: 81,
      OTHER_PORT: 8,
    });
  assert.deepEqual(readConfig(schema, { KEY: 'sk-01234567', KEY_FILE: '' }), {
    KEY: 'sk-01234567',
    PORT: 80,
    OTHER_PORT: 8,
  });
});

test('a file that cannot be read, and a setting given twice, are told once and without values', () => {
  assert.deepEqual(problemsOf({ KEY_FILE: join(dir, 'nowhere') }), [
    'KEY_FILE: the file cannot be read (ENOENT)',
  ]);
  assert.deepEqual(problemsOf({ KEY_FILE: dir, PORT: 'x' }), [
    'KEY_FILE: the file cannot be read (EISDIR)',
    'PORT: must be a whole number',
  ]);
  assert.deepEqual(problemsOf({ KEY: 'sk-01234567', KEY_FILE: fileOf('key', 'sk-76543210') }), [
    'KEY_FILE: KEY is set too; set one of them',
  ]);
  assert.deepEqual(problemsOf({ KEY_FILE: fileOf('key', 'short') }), ['KEY: too short']);
  for (const OTHER_PORT of ['x', '10'])
    assert.deepEqual(problemsOf({ KEY: 'sk-01234567', OTHER_PORT }), ['OTHER_PORT: give a port']);
});
