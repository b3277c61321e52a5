/** What leaves this machine unencrypted, as the settings have it: said once, at the start. */
import { partsIn, settingOf } from '../settings/notation.ts';

const WIRES = ['api', 'console', 'metrics', 'nats', 'redis', 'engine', 'files'] as const;
type Wire = (typeof WIRES)[number];

function parseWires(text: string): ReadonlySet<string> {
  const named = partsIn(text);
  if (named.every(part => part === 'all' || WIRES.includes(part as Wire))) return new Set(named);
  throw new TypeError(`use some of ${WIRES.join(', ')}, comma-separated, or all`);
}

export const clearTextSetting = {
  PENSTOCK_CLEAR_TEXT: settingOf(parseWires)
    .prefault('')
    .describe(
      `What may go unencrypted to other machines without a warning at the start, since a proxy, a mesh or a private network sees to it: some of ${WIRES.join(', ')}, comma-separated, or all.`,
    ),
};

export interface ClearText {
  readonly wire: Wire;
  readonly setting: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Addresses that a process connects to, and what asks for TLS there. */
const DIALED = [
  [
    'nats',
    'PENSTOCK_NATS_URL',
    'PENSTOCK_NATS_CA',
    /^nats:/,
    'use tls://, and PENSTOCK_NATS_CA_FILE for an authority of your own',
  ],
  [
    'redis',
    'PENSTOCK_REDIS_URL',
    '',
    /^redis(\+sentinel)?:/,
    'use rediss:// (rediss+sentinel://), and PENSTOCK_REDIS_CA_FILE for an authority of your own',
  ],
  [
    'engine',
    'PENSTOCK_ENGINE_URL',
    '',
    /^http:/,
    'use https://, and PENSTOCK_ENGINE_CA_FILE for an authority of your own',
  ],
  [
    'files',
    'PENSTOCK_FILES_S3_ENDPOINT',
    '',
    /^http:/,
    'use https://, and PENSTOCK_FILES_S3_CA_FILE for an authority of your own',
  ],
] as const;

/** Addresses that a process listens on. */
const LISTENED = [
  ['api', 'PENSTOCK_HOST', 'PENSTOCK_TLS_CERT', 'set PENSTOCK_TLS_CERT_FILE and PENSTOCK_TLS_KEY_FILE'],
  ['console', 'PENSTOCK_CONSOLE_HOST', '', 'listen on 127.0.0.1, behind a proxy that speaks TLS'],
  ['metrics', 'PENSTOCK_METRICS_HOST', '', 'listen on 127.0.0.1 or an address of a private network'],
] as const;

/** @param settings of a process, as read. @returns what goes to other machines in the clear, but for what the operator named. */
export function clearTextOf(settings: Readonly<Record<string, unknown>>): ClearText[] {
  const allowed = settings['PENSTOCK_CLEAR_TEXT'] as ReadonlySet<string> | undefined;
  const dialed = DIALED.filter(
    ([, setting, ca, scheme]) =>
      settings[ca] === undefined &&
      partsIn(String(settings[setting] ?? '')).some(url => scheme.test(url) && !isHere(hostIn(url))),
  ).map(([wire, setting, , , remedy]) => ({ wire, setting, remedy }));
  const listened = LISTENED.filter(
    ([wire, setting, cert]) =>
      settings[setting] !== undefined &&
      settings[cert] === undefined &&
      !isHere(String(settings[setting])) &&
      !(wire === 'metrics' && settings['PENSTOCK_METRICS_PORT'] === undefined),
  ).map(([wire, setting, , remedy]) => ({ wire, setting, remedy }));
  return [...listened, ...dialed].filter(({ wire }) => !allowed?.has('all') && !allowed?.has(wire));
}

/** Call once, at the start. */
export function warnOfClearText(
  settings: Readonly<Record<string, unknown>>,
  log: { warn(fields: object, text: string): void },
): void {
  for (const { wire, setting, remedy } of clearTextOf(settings))
    log.warn(
      { wire },
      `${setting}: what goes there is not encrypted: ${remedy}; or name ${wire} in PENSTOCK_CLEAR_TEXT where something else encrypts it`,
    );
}

/** Without a login, which may hold any sign. */
function hostIn(url: string): string {
  const place = url.replace(/^[a-z+]+:\/\//, '').replace(/\/.*$/, '');
  const host = place.slice(place.lastIndexOf('@') + 1);
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d*$/, '');
}

function isHere(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3})$/i.test(host);
}
