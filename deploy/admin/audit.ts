/** `npm run admin -- audit`: whether the audit log is whole, and all of it as JSON lines. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type ChainEnd, verifyChain } from '@penstock/protocol';
import { auditSettings, readConfig, regionSettings } from '@penstock/runtime';
import { type AuditChain, RedisAuditLog } from '@penstock/transport';
import { z } from 'zod';
import { serverSettings, serversOf } from '../local/started-servers.ts';

export const AUDIT_USAGE = `  audit verify          whether an entry was changed, taken out, moved or cut off, and where
    --file FILE         of an export, instead of the region's
    --end SEQ:HASH      where it is known to have ended, at least: the latest of the lines "audit log" in the logs of processes
  audit export          all entries as JSON lines, oldest first
`;
/** Something was done to the log. */
const EXIT_TAMPERED = 1;

const config = z.object({
  PENSTOCK_REGION: regionSettings.PENSTOCK_REGION,
  ...auditSettings,
  ...serverSettings,
});

/** @returns the exit code. @throws TypeError for arguments that are none. */
export async function audit(args: string[], say: (line: string) => void): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { file: { type: 'string' }, end: { type: 'string' } },
  });
  const [command, ...more] = positionals;
  if (more.length > 0) throw new TypeError(`audit ${command} takes no ${more[0]}`);
  if (command === 'export') {
    if (values.file !== undefined || values.end !== undefined)
      throw new TypeError('audit export takes no options');
    for (const line of (await regionsChain()).lines) say(line);
    return 0;
  }
  if (command !== 'verify') throw new TypeError('say audit verify or audit export');
  const known = values.end === undefined ? null : readEnd(values.end);
  const chain =
    values.file === undefined
      ? await regionsChain()
      : { lines: linesOf(values.file), start: null, end: null };
  return tell(chain, known, say);
}

type Chain = Pick<AuditChain, 'lines'> & { readonly start: ChainEnd | null; readonly end: ChainEnd | null };

function tell({ lines, start, end }: Chain, known: ChainEnd | null, say: (line: string) => void): number {
  const state = verifyChain(lines, start, end);
  // What the log says of its own end says nothing if that was cut off too.
  const flaws = [...state.flaws, ...(known === null ? [] : verifyChain(lines, start, known).flaws)];
  const told = new Set(flaws.map(({ line, what }) => `line ${line}: ${what}`));
  for (const flaw of told) say(flaw);
  const about = `${state.lines} entries, up to ${state.end.seq}:${state.end.hash}`;
  say(told.size === 0 ? `whole: ${about}` : `NOT whole: ${about}`);
  return told.size === 0 ? 0 : EXIT_TAMPERED;
}

function readEnd(text: string): ChainEnd {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new TypeError('give --end as SEQ:HASH, as processes log it');
  return { seq: Number(seq), hash };
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '');
}

async function regionsChain(): Promise<AuditChain> {
  const settings = readConfig(config, process.env);
  const { redis } = serversOf(settings, 'penstock-admin');
  const log = await RedisAuditLog.connect(redis, {
    region: settings.PENSTOCK_REGION,
    days: settings.PENSTOCK_AUDIT_DAYS,
  });
  try {
    return await log.chain();
  } finally {
    await log.close();
  }
}
