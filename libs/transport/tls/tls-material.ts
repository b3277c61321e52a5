/** What a process shows and trusts on a TLS connection, checked before it is used: the client's own errors name no setting. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ConnectError } from '../ports/connect-error.ts';

/** PEM texts. */
export interface TlsMaterial {
  /** Certificates of the authorities that sign the server's, in place of those that Node knows. */
  readonly ca?: string | undefined;
  /** The certificate of this process, with those between it and its authority. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Each certificate of a PEM text. */
const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * What the client of a server is given. @param of the beginning of the settings: `PENSTOCK_NATS`.
 * @returns null where nothing is set. @throws ConnectError that names the setting, and never quotes it.
 */
export function readTlsMaterial(
  of: string,
  { ca, cert, key }: TlsMaterial,
  now = Date.now(),
): TlsMaterial | null {
  if (ca === undefined && cert === undefined && key === undefined) return null;
  if (ca !== undefined) certificatesOf(`${of}_CA`, ca);
  if ((cert === undefined) !== (key === undefined))
    throw new ConnectError(`${of}_CERT and ${of}_KEY belong together: set both or none`);
  if (cert !== undefined && key !== undefined) checkPair(of, cert, key, now);
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) };
}

function checkPair(of: string, cert: string, key: string, now: number): void {
  const [own] = certificatesOf(`${of}_CERT`, cert);
  if (own !== undefined && now > own.validToDate.getTime())
    throw new ConnectError(
      `the certificate of ${of}_CERT has expired (${own.validToDate.toISOString()}): renew it`,
    );
  let isOfKey = false;
  try {
    isOfKey = own?.checkPrivateKey(createPrivateKey(key)) ?? false;
  } catch {
    throw new ConnectError(`${of}_KEY is no private key as PEM without a passphrase`);
  }
  if (!isOfKey) throw new ConnectError(`${of}_KEY is not the key of the certificate in ${of}_CERT`);
}

function certificatesOf(setting: string, pem: string): X509Certificate[] {
  try {
    const found = (pem.match(CERTIFICATES) ?? []).map(text => new X509Certificate(text));
    if (found.length > 0) return found;
  } catch {
    // Said below.
  }
  throw new ConnectError(`${setting} holds no certificate as PEM: give the file with ${setting}_FILE`);
}
