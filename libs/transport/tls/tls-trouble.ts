/** Why a TLS connection came to nothing, and what to do about it. */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { TlsMaterial } from './tls-material.ts';

/** Nobody that this process trusts has signed it. */
const NOT_TRUSTED = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_UNTRUSTED',
  'INVALID_CA',
];
/** What answered is no TLS. */
const NO_TLS =
  /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE|HTTP_REQUEST|UNKNOWN_PROTOCOL/;
/** How long a server has to refuse a handshake, or to say the first word, ms. */
const LOOK_MS = 2000;

/** @param of the beginning of the settings: `PENSTOCK_NATS`. @returns what is wrong and the remedy, in one line; null where the error is not about TLS. */
export function tlsTrouble(err: unknown, of: string): string | null {
  const { code = '', cause } = (err ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code !== 'string') return null;
  if (NOT_TRUSTED.includes(code))
    return `nobody that this process trusts has signed its certificate (${code}): give the certificate of its authority with ${of}_CA_FILE`;
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired: renew it at the server';
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet: compare the clocks';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'its certificate is not for the name in the address: use a name that it is for, or issue one for this name';
  if (/ALERT_CERTIFICATE_EXPIRED/.test(code))
    return `it finds the certificate of ${of}_CERT expired: renew it`;
  if (
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_UNKNOWN|DECRYPT_ERROR|ACCESS_DENIED)/.test(
      code,
    )
  )
    return `it does not accept the certificate of ${of}_CERT: let an authority sign it that the server trusts`;
  if (/ALERT_(CERTIFICATE_REQUIRED|NO_CERTIFICATE|HANDSHAKE_FAILURE)/.test(code))
    return `it wants a certificate of its clients: set ${of}_CERT_FILE and ${of}_KEY_FILE`;
  if (NO_TLS.test(code)) return 'what answers there speaks no TLS';
  return cause === undefined ? null : tlsTrouble(cause, of);
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

/**
 * Shakes hands and waits whether the server takes it back: a server of TLS 1.3 looks at the client's certificate after the client has
 * finished, and what the client wrote by then hides why.
 * @param greets the server speaks first, and turns to TLS then, as NATS does.
 * @returns why not; null where there is nothing wrong, or nothing to be learned.
 */
export async function shakeHands(
  { host, port }: Place,
  tls: TlsMaterial,
  greets: boolean,
): Promise<Error | null> {
  const tcp = connectTcp({ host, port });
  tcp.on('error', () => {});
  try {
    if (greets && !(await firstWords(tcp))) return null;
    const socket = connectTls({ socket: tcp, ...servername(host), ...defined(tls) });
    return await refusalOf(socket);
  } finally {
    tcp.destroy();
  }
}

/** What a server says to one who speaks plainly. @param ask what is said first; empty where the server does. @returns empty where it says nothing. */
export async function askPlainly({ host, port }: Place, ask = ''): Promise<string> {
  const tcp = connectTcp({ host, port });
  tcp.on('error', () => {});
  try {
    if (ask !== '') tcp.write(ask);
    return await firstWords(tcp);
  } finally {
    tcp.destroy();
  }
}

function firstWords(socket: ReturnType<typeof connectTcp>): Promise<string> {
  return new Promise(resolve => {
    socket.once('data', data => resolve(data.toString('latin1')));
    socket.once('close', () => resolve(''));
    socket.setTimeout(LOOK_MS, () => resolve(''));
  });
}

function refusalOf(socket: TLSSocket): Promise<Error | null> {
  return new Promise(resolve => {
    // More than one may come, and nothing of it may end the process.
    socket.on('error', resolve);
    socket.once('close', () => resolve(null));
    setTimeout(() => resolve(null), LOOK_MS).unref();
    // A TLS server that is content with the handshake says nothing of its own, or a session ticket.
    socket.once('secureConnect', () => setTimeout(() => resolve(null), LOOK_MS / 4).unref());
  });
}

function servername(host: string): { servername?: string; host: string } {
  return /^[\d.]+$|:/.test(host) ? { host } : { host, servername: host };
}

function defined({ ca, cert, key }: TlsMaterial): { ca?: string; cert?: string; key?: string } {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}
