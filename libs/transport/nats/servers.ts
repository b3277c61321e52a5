/** The servers of a region, and how to log in to them, from one setting. */
import type { ConnectionOptions } from '@nats-io/transport-node';
import { ConnectError } from '../ports/connect-error.ts';

type Login = Pick<ConnectionOptions, 'user' | 'pass' | 'token' | 'tls'>;

/**
 * Reads `nats://host:4222`, several of them separated by commas, and credentials in the form that all NATS clients know:
 * `nats://user:password@host:4222`, `nats://token@host:4222`, percent-encoded where they hold `/`, `@`, `:`, `%` or a comma. The servers of a
 * cluster share them, so those of the first one that has any are used for all. `tls://` asks for TLS.
 * @throws ConnectError, which never quotes the setting.
 */
export function readServers(setting: string): Login & { servers: string[] } {
  const urls = setting
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '')
    .map(readServer);
  if (urls.length === 0) throw new ConnectError('give it as nats://host:port');
  const withLogin = urls.find(({ username }) => username !== '');
  return {
    servers: urls.map(({ host }) => host),
    ...(withLogin === undefined ? {} : loginOf(withLogin)),
    ...(urls.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {}),
  };
}

function readServer(text: string): URL {
  const url = URL.parse(text.includes('://') ? text : `nats://${text}`);
  if (url === null || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '')
    throw new ConnectError('give it as nats://host:port, or as nats://user:password@host:port');
  return url;
}

function loginOf({ username, password }: URL): Login {
  try {
    if (password === '') return { token: decodeURIComponent(username) };
    return { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  } catch {
    throw new ConnectError('the user or the password is not percent-encoded: % is written as %25');
  }
}
