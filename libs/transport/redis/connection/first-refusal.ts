/** What a Redis that could not be connected to is told to be: its own words, or those of the client, name no setting. */
import { ConnectError } from '../../ports/connect-error.ts';
import { askPlainly, shakeHands, tlsTrouble } from '../../tls/tls-trouble.ts';
import type { RedisAddress } from './address.ts';

const OF = 'PENSTOCK_REDIS';
const SPEAKS_TLS = 'it speaks TLS and is asked without: write rediss:// for redis://';
const SPEAKS_PLAINLY =
  'it speaks no TLS and is asked for it: write redis:// for rediss://, or give it a tls-port';

/** @param err what the first attempt failed with. Asks the server once more where that leaves open what is wrong. */
export async function refusedBy(err: Error, address: RedisAddress): Promise<ConnectError> {
  const { message } = err;
  const lasting = loginTrouble(message, address) ?? tlsTrouble(err, OF) ?? (await unsaid(err, address));
  if (lasting !== null) return new ConnectError(lasting);
  return new ConnectError(`no Redis answers there (${message})`, { isLasting: false });
}

function loginTrouble(message: string, { username, password, sentinels }: RedisAddress): string | null {
  const at = sentinels === undefined ? '' : ' (or one of its sentinels)';
  if (/NOAUTH/.test(message) && password === undefined)
    return `it${at} wants a login: set ${OF}_PASSWORD_FILE, and ${OF}_USER where it has users (NOAUTH)`;
  if (/WRONGPASS|NOAUTH|invalid username|invalid password/i.test(message)) {
    const who = username === undefined ? '' : ` of user ${JSON.stringify(username)}`;
    return `it${at} refuses the login${who}: compare it with the users of the server (WRONGPASS)`;
  }
  // What follows the word names the command, and the user may be one of another process.
  if (/NOPERM/.test(message))
    return `its user ${JSON.stringify(username ?? 'default')} may not do what this process needs: give it the ACL of its role (${message})`;
  return null;
}

/** Of a server that hangs up, or does not answer in a way that the client understands. */
async function unsaid(err: Error, address: RedisAddress): Promise<string | null> {
  const { code } = err as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') return null;
  const place = address.sentinels?.[0] ?? address;
  const at = { host: place.host ?? '127.0.0.1', port: place.port ?? 0 };
  if (address.tls === undefined) return (await speaksTls(at)) ? SPEAKS_TLS : null;
  if (/^[+-]/.test(await askPlainly(at, 'PING\r\n'))) return SPEAKS_PLAINLY;
  const { ca, cert, key } = address.tls as Record<'ca' | 'cert' | 'key', string | undefined>;
  return tlsTrouble(await shakeHands(at, { ca, cert, key }, false), OF);
}

/** Whether it answers a handshake, however. */
async function speaksTls(at: { host: string; port: number }): Promise<boolean> {
  const refusal = await shakeHands(at, {}, false);
  return refusal !== null && tlsTrouble(refusal, OF) !== null;
}
