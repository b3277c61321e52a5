/** Codex's command line with this API as its provider: a turn in which the model calls a tool and then answers. */
import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_KEY, assert, BASE_URL, CHAT, run } from './report.js';

const LIMIT_MS = 120_000;

/** Runs a turn. @returns its events. */
async function turn(prompt) {
  const home = mkdtempSync(join(tmpdir(), 'penstock-codex-'));
  const config = [
    `model = "${CHAT}"`,
    'model_provider = "penstock"',
    '[model_providers.penstock]',
    'name = "Penstock"',
    `base_url = "${BASE_URL}"`,
    'env_key = "PENSTOCK_KEY"',
    'wire_api = "responses"',
    'request_max_retries = 0',
    'stream_max_retries = 0',
  ];
  writeFileSync(join(home, 'config.toml'), config.join('\n'));
  const program = join(import.meta.dirname, 'node_modules/.bin/codex');
  const args = ['exec', '--skip-git-repo-check', '-s', 'read-only', '--json', prompt];
  const env = { ...process.env, CODEX_HOME: home, PENSTOCK_KEY: API_KEY };
  const child = spawn(program, args, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS });
  let [out, err] = ['', ''];
  child.stdout.on('data', data => {
    out += data;
  });
  child.stderr.on('data', data => {
    err += data;
  });
  const code = await new Promise(done => child.on('close', done));
  const events = out
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line));
  assert.equal(code, 0, `${JSON.stringify(events.at(-1))} ${err.slice(-200)}`);
  return events;
}

await run({
  async first_turn() {
    const events = await turn('Tell me about rivers.');
    const types = events.map(({ type, item }) => item?.type ?? type);
    assert.ok(types.includes('agent_message'), types.join());
    assert.equal(events.at(-1).type, 'turn.completed');
  },
});
