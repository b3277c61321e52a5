/** `npm run explain -- ID`, `penstock explain ID`: the life of one request in words, for the operator. */
import { parseArgs } from 'node:util';
import { isToken, trailInWords } from '@penstock/protocol';
import { commandLine, readConfigOrExit } from '@penstock/runtime';
import { ConnectError, RedisRequestTrails, RedisRunStore } from '@penstock/transport';
import { z } from 'zod';
import { serverSettings, serversOf } from '../local/started-servers.ts';

const USAGE = `Usage: ${commandLine('explain')} ID [--json]

ID is the header x-penstock-request-id of an answer, or the id of a job, a response or a stored completion. Known for an hour:
requests that failed, a sample of the others (PENSTOCK_TRAIL_SAMPLE), and jobs while there is a record of them.
Redis is PENSTOCK_REDIS_URL, else that of a running \`${commandLine('start')}\` (PENSTOCK_DATA_DIR), else the default port on this machine.
`;
const EXIT_USAGE = 2;
const explainConfig = z.object(serverSettings);
const say = (text: string) => process.stdout.write(`${text}\n`);

/** @returns the exit code. */
async function explain(id: string, json: boolean): Promise<number> {
  const { redis } = serversOf(readConfigOrExit(explainConfig), 'penstock-explain');
  const trails = await RedisRequestTrails.connect(redis);
  const runs = await RedisRunStore.connect(redis);
  try {
    const lines = trailInWords(await trails.read(id));
    const run = await runs.read(id);
    if (lines.length === 0 && run === null) {
      process.stderr.write(
        `penstock: nothing is known of ${id}. It may have gone well and not be in the sample, be open still, or be more than an hour ago.\n`,
      );
      return 1;
    }
    if (json) {
      say(JSON.stringify({ id, status: run?.status ?? null, events: lines.map(({ event }) => event) }));
      return 0;
    }
    if (run !== null) say(`${run.kind} ${id} of ${run.model}: ${run.status}, attempt ${run.attempt}`);
    for (const { event, afterMs, text } of lines)
      say(`${new Date(event.at).toISOString()} ${`+${Math.round(afterMs)} ms`.padStart(12)}  ${text}`);
    return 0;
  } finally {
    trails.close();
    await runs.close();
  }
}

async function main(): Promise<number> {
  let parsed: { values: { json?: boolean; help?: boolean }; positionals: string[] };
  try {
    const options = { json: { type: 'boolean' }, help: { type: 'boolean' } } as const;
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (err) {
    process.stderr.write(`penstock: ${(err as Error).message}\n${USAGE}`);
    return EXIT_USAGE;
  }
  const { values, positionals } = parsed;
  if (values.help) {
    say(USAGE);
    return 0;
  }
  const id = (positionals[0] ?? '').replace(/^(req_|resp_|chatcmpl-)/, '');
  if (positionals.length !== 1 || !isToken(id)) {
    process.stderr.write(`penstock: give the id of one request\n${USAGE}`);
    return EXIT_USAGE;
  }
  return explain(id, values.json === true);
}

try {
  process.exitCode = await main();
} catch (err) {
  if (!(err instanceof ConnectError)) throw err;
  process.stderr.write(`penstock: PENSTOCK_REDIS_URL: ${err.message}\n`);
  process.exitCode = 1;
}
