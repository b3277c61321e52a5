/** An identity provider on this machine: it can be taken away and comes back at its address, and its keys can be changed. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export const AUDIENCE = 'penstock';

export interface Signing {
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

/** A pair of keys, and the public one as a provider shows it. */
export async function signingPair(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' } as JWK };
}

/** @param keys that it shows: changed, they are others from then on. */
export async function startIssuer(keys: { list: JWK[] }) {
  const state = { isAway: false, asked: 0, named: null as string | null };
  let url = '';
  const server = createServer((request, response) => {
    state.asked++;
    if (state.isAway) return void response.writeHead(503).end();
    const found =
      request.url === '/.well-known/openid-configuration'
        ? { issuer: state.named ?? url, jwks_uri: `${url}/keys` }
        : { keys: keys.list };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    ...{ url, state },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

/** @param claims beside issuer, audience and holder. */
export function signedToken({ kid, privateKey }: Signing, issuer: string, claims: object): Promise<string> {
  const all = { iss: issuer, aud: AUDIENCE, sub: 'me', ...claims };
  return new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
}
