/** The servers of a region, how to log in to them, and how TLS is spoken: what settings say, as the client takes it. */
import { type ConnectionOptions, credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node';
import { ConnectError } from '../../ports/connect-error.ts';
import { readTlsMaterial, type TlsMaterial } from '../../tls/tls-material.ts';

/** The beginning of the settings that are meant. */
const OF = 'PENSTOCK_NATS';

/** Who a process is, where the URL does not say it. One way of these at most. */
export interface NatsLogin {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  /** Seed of an nkey. */
  readonly nkey?: string | undefined;
  /** A credentials file of nsc. */
  readonly creds?: string | undefined;
}

/** How the servers are reached. */
export interface NatsReach {
  readonly url: string;
  readonly login?: NatsLogin;
  readonly tls?: TlsMaterial;
}

type Client = Pick<ConnectionOptions, 'user' | 'pass' | 'token' | 'authenticator' | 'tls'> & {
  servers: string[];
  inboxPrefix: string;
};
type Login = Pick<Client, 'user' | 'pass' | 'token' | 'authenticator'>;

/**
 * Reads `nats://host:4222`, several of them separated by commas, and credentials in the form that all NATS clients know:
 * `nats://user:password@host:4222`, `nats://token@host:4222`, percent-encoded where they hold `/`, `@`, `:`, `%` or a comma. The servers of a
 * cluster share them, so those of the first one that has any are used for all. `tls://` asks for TLS, and so does any certificate.
 * @throws ConnectError, which never quotes a setting.
 */
export function readServers({ url, login = {}, tls = {} }: NatsReach): Client {
  const urls = url
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '')
    .map(readServer);
  if (urls.length === 0) throw new ConnectError('give it as nats://host:port');
  const withLogin = urls.find(({ username }) => username !== '');
  const material = readTlsMaterial(OF, tls);
  const wantsTls = material !== null || urls.some(({ protocol }) => protocol === 'tls:');
  const who = loginOf(withLogin === undefined ? null : loginInUrl(withLogin), login);
  return {
    servers: urls.map(({ host }) => host),
    ...who,
    inboxPrefix: inboxOf(who.user),
    ...(wantsTls ? { tls: { ...material } as NonNullable<ConnectionOptions['tls']> } : {}),
  };
}

/**
 * Where a user is answered: others may not listen there, and its own permissions name it. A user without a name, or with one that
 * is no word of a subject, has the inbox of all.
 */
export function inboxOf(user: string | undefined): string {
  return user !== undefined && /^[\w-]{1,64}$/.test(user) ? `_INBOX.${user}` : '_INBOX';
}

function readServer(text: string): URL {
  const url = URL.parse(text.includes('://') ? text : `nats://${text}`);
  if (url === null || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '')
    throw new ConnectError('give it as nats://host:port, or as nats://user:password@host:port');
  return url;
}

function loginInUrl({ username, password }: URL): Login {
  try {
    if (password === '') return { token: decodeURIComponent(username) };
    return { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  } catch {
    throw new ConnectError('the user or the password is not percent-encoded: % is written as %25');
  }
}

function loginOf(inUrl: Login | null, { user, password, token, nkey, creds }: NatsLogin): Login {
  if ((user === undefined) !== (password === undefined))
    throw new ConnectError(`${OF}_USER and ${OF}_PASSWORD belong together: set both or none`);
  const ways: [name: string, login: () => Login][] = [];
  if (inUrl !== null) ways.push(['the login in the URL', () => inUrl]);
  if (user !== undefined && password !== undefined)
    ways.push([`${OF}_USER`, () => ({ user, pass: password })]);
  if (token !== undefined) ways.push([`${OF}_TOKEN`, () => ({ token })]);
  if (nkey !== undefined) ways.push([`${OF}_NKEY`, () => byKey(nkey)]);
  if (creds !== undefined) ways.push([`${OF}_CREDS`, () => byCreds(creds)]);
  const [first, second] = ways;
  if (first === undefined) return {};
  if (second !== undefined)
    throw new ConnectError(`${first[0]} and ${second[0]} both say who this process is: keep one`);
  return first[1]();
}

function byKey(text: string): Login {
  const seed = text.trim();
  if (!/^SU[A-Z2-7]{56}$/.test(seed))
    throw new ConnectError(
      `${OF}_NKEY is no seed of a user's nkey: 58 letters and digits that begin with SU`,
    );
  return { authenticator: nkeyAuthenticator(Buffer.from(seed)) };
}

function byCreds(text: string): Login {
  if (!/BEGIN NATS USER JWT[\s\S]+BEGIN USER NKEY SEED/.test(text))
    throw new ConnectError(`${OF}_CREDS is no credentials file: give that of nsc with ${OF}_CREDS_FILE`);
  return { authenticator: credsAuthenticator(Buffer.from(text)) };
}
