/** Where the Redis of a region is, how to log in to it, and how TLS is spoken: what settings say, as the client takes it. The only place that says what PENSTOCK_REDIS_URL may be. */
import type { RedisOptions } from 'ioredis';
import { ConnectError } from '../../ports/connect-error.ts';
import { readTlsMaterial, type TlsMaterial } from '../../tls/tls-material.ts';

/** What the client needs to find the server: one that takes writes, or the sentinels that know it. */
export type RedisAddress = Pick<
  RedisOptions,
  | 'host'
  | 'port'
  | 'username'
  | 'password'
  | 'db'
  | 'tls'
  | 'sentinels'
  | 'name'
  | 'sentinelUsername'
  | 'sentinelPassword'
  | 'sentinelTLS'
  | 'enableTLSForSentinelMode'
>;

/** Who a process is, where the URL does not say it. */
export interface RedisLogin {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly sentinelUser?: string | undefined;
  readonly sentinelPassword?: string | undefined;
}

/** How the servers are reached. */
export interface RedisReach {
  /** See {@link readAddress}. */
  readonly url: string;
  readonly login?: RedisLogin;
  readonly tls?: TlsMaterial;
}

/** The beginning of the settings that are meant. */
const OF = 'PENSTOCK_REDIS';
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const FORM = /^redis(s?)(\+sentinel)?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const HOW =
  'give it as redis://host:port, redis://user:password@host:port, rediss:// for TLS, or redis+sentinel://host:port,host:port/name-of-the-primary';

/**
 * Reads `redis://host:6379`, with credentials `user:password@` or `:password@` and a number of a database (`/2`), and
 * `redis+sentinel://sentinel-1:26379,sentinel-2:26379/mymaster`, whose credentials are the servers' own; those of the sentinels, if they
 * have any, are its parameters `sentinel_user` and `sentinel_password`. Both are percent-encoded where they hold `/`, `@`, `:`, `?`, `#` or
 * `%`. `rediss` asks for TLS, of servers and sentinels. What stands in settings of its own must not stand in the URL too.
 * @throws ConnectError, which never quotes a setting.
 */
export function readAddress({ url, login = {}, tls = {} }: RedisReach): RedisAddress {
  const [, isTls, sentinel, inUrl = '', hosts = '', path = '', query = ''] = FORM.exec(url.trim()) ?? [];
  if (isTls === undefined) throw new ConnectError(HOW);
  const material = readTlsMaterial(OF, tls);
  if (isTls === '' && material !== null)
    throw new ConnectError(`it asks for no TLS, and ${OF}_CA or ${OF}_CERT is set: write rediss://`);
  const spoken = isTls === '' ? null : { ...material };
  const common = { ...loginOf(inUrl, login), ...(spoken === null ? {} : { tls: spoken }) };
  if (sentinel === undefined) {
    const [server, another] = hosts.split(',').map(text => readHost(text, REDIS_PORT));
    if (server === undefined || another !== undefined || query !== '') throw new ConnectError(HOW);
    return { ...common, ...server, db: databaseOf(path) };
  }
  const [name = '', db = ''] = path.split('/');
  if (name === '')
    throw new ConnectError('name the primary that the sentinels watch: redis+sentinel://host:port/name');
  return {
    ...common,
    sentinels: hosts.split(',').map(text => readHost(text, SENTINEL_PORT)),
    ...{ name: decoded(name), db: databaseOf(db) },
    ...sentinelLoginOf(query, login),
    ...(spoken === null ? {} : { sentinelTLS: spoken, enableTLSForSentinelMode: true }),
  };
}

function readHost(text: string, usualPort: number): { host: string; port: number } {
  const url = URL.parse(`redis://${text.trim()}`);
  if (url === null || url.hostname === '') throw new ConnectError(HOW);
  const host = decoded(url.hostname).replace(/^\[(.*)\]$/, '$1');
  return { host, port: url.port === '' ? usualPort : Number(url.port) };
}

function loginOf(text: string, { user, password }: RedisLogin): Pick<RedisAddress, 'username' | 'password'> {
  if (user !== undefined && password === undefined)
    throw new ConnectError(`${OF}_USER has no password: set ${OF}_PASSWORD`);
  if (text === '')
    return {
      ...(user === undefined ? {} : { username: user }),
      ...(password === undefined ? {} : { password }),
    };
  if (password !== undefined)
    throw new ConnectError(`the login in the URL and ${OF}_PASSWORD both say who this process is: keep one`);
  const colon = text.indexOf(':');
  if (colon < 0)
    throw new ConnectError('it names a user without a password: give user:password, or :password alone');
  const [username, secret] = [decoded(text.slice(0, colon)), decoded(text.slice(colon + 1))];
  return { ...(username === '' ? {} : { username }), ...(secret === '' ? {} : { password: secret }) };
}

function sentinelLoginOf(
  query: string,
  login: RedisLogin,
): Pick<RedisAddress, 'sentinelUsername' | 'sentinelPassword'> {
  const given = new URLSearchParams(query);
  const {
    sentinel_user: sentinelUsername = login.sentinelUser,
    sentinel_password: sentinelPassword = login.sentinelPassword,
    ...others
  } = Object.fromEntries(given);
  if (Object.keys(others).length > 0)
    throw new ConnectError('of parameters it takes sentinel_user and sentinel_password only');
  return {
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
  };
}

function databaseOf(text: string): number {
  if (!/^\d{0,5}$/.test(text))
    throw new ConnectError('what follows the address is the number of a database, such as /2');
  return Number(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConnectError('it is not percent-encoded: % is written as %25');
  }
}
