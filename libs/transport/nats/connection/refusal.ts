/** What a nats-server that could not be used is told to be: its own words, or those of the client, name no setting. */
import type { ConnectionOptions } from '@nats-io/transport-node';
import { ConnectError } from '../../ports/connect-error.ts';
import type { TlsMaterial } from '../../tls/tls-material.ts';
import { askPlainly, type Place, shakeHands, tlsTrouble } from '../../tls/tls-trouble.ts';

const OF = 'PENSTOCK_NATS';
const USUAL_PORT = 4222;
/** Who is refused so today is refused tomorrow. */
const REFUSED = /authori[sz]ation|authentication|permission/i;
const NO_TLS = /does not support 'tls'|tls.*is not available/;

type Client = Pick<ConnectionOptions, 'user' | 'token' | 'authenticator' | 'tls'> & {
  readonly servers: readonly string[];
};

/** @param err of the client, which tried `servers` one after the other. Asks the first of them once more where the error leaves open what is wrong. */
export async function refusalOf(err: Error, client: Client): Promise<ConnectError> {
  const { message } = err;
  if (REFUSED.test(message)) return refusedLogin(client, message);
  if (NO_TLS.test(message))
    return new ConnectError(
      `it offers no TLS, and is asked for it: give its configuration a tls block, or write nats:// and unset ${OF}_CA, ${OF}_CERT and ${OF}_KEY`,
    );
  const trouble = tlsTrouble(err, OF) ?? (await unsaid(err, client));
  if (trouble !== null) return new ConnectError(trouble);
  return new ConnectError(`no nats-server answers there (${message})`, { isLasting: false });
}

function refusedLogin({ user, token, authenticator }: Client, message: string): ConnectError {
  const isAnybody = user === undefined && token === undefined && authenticator === undefined;
  const remedy = isAnybody
    ? `it wants a login: set ${OF}_USER and ${OF}_PASSWORD_FILE, ${OF}_NKEY_FILE, ${OF}_CREDS_FILE or ${OF}_TOKEN_FILE`
    : `it refuses the login${user === undefined ? '' : ` of user ${JSON.stringify(user)}`}: compare it with the users in the server's configuration`;
  return new ConnectError(`${remedy} (${message})`);
}

/** The client says of much that it took too long: of a server that closes a connection whose certificate it does not want. */
async function unsaid(err: Error, { servers, tls }: Client): Promise<string | null> {
  if (err.name !== 'TimeoutError') return null;
  const place = placeOf(servers[0] ?? '');
  const info = readInfo(await askPlainly(place));
  if (info === null) return null;
  const material = (tls ?? {}) as TlsMaterial;
  if (info.tls_verify && material.cert === undefined)
    return `it wants a certificate of its clients: set ${OF}_CERT_FILE and ${OF}_KEY_FILE`;
  return info.tls_required ? tlsTrouble(await shakeHands(place, material, true), OF) : null;
}

function placeOf(server: string): Place {
  const { hostname, port } = new URL(`nats://${server}`);
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? USUAL_PORT : Number(port) };
}

function readInfo(line: string): { readonly tls_required?: boolean; readonly tls_verify?: boolean } | null {
  try {
    return JSON.parse(/^INFO (\{.*\})/.exec(line)?.[1] ?? 'null');
  } catch {
    return null;
  }
}
