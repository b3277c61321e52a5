/** The few calls of S3 that the file store makes, in memory: an S3-compatible server as far as the adapter can tell. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from './network/certificates.ts';

function encryptionIn({ headers }: IncomingMessage): Record<string, string> {
  const asked = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-server-side-encryption'));
  return Object.fromEntries(asked) as Record<string, string>;
}

const MODIFIED = '<LastModified>2026-01-01T00:00:00.000Z</LastModified>';

/** @param tls where it is to be reached by https. */
export async function startS3(bucket: string, tls?: Certificate) {
  const objects = new Map<string, Buffer>();
  /** Of each object, the headers that ask for its encryption. */
  const encryption = new Map<string, Record<string, string>>();
  const listener = (request: IncomingMessage, response: ServerResponse) => void serve(request, response);
  const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://s3');
    const [, name, ...rest] = pathname.split('/');
    const key = rest.join('/');
    const answer = (status: number, body: Buffer | string = '') =>
      response.writeHead(status, { 'content-length': Buffer.byteLength(body) }).end(body);
    if (!/^AWS4-HMAC-SHA256 /.test(request.headers.authorization ?? '')) return void answer(403);
    if (name !== bucket) return void answer(404);
    const body = Buffer.concat(chunks);
    const found = objects.get(key);
    switch (request.method) {
      case 'HEAD':
        if (key !== '' && found === undefined) return void answer(404);
        return void response.writeHead(200, { 'content-length': found?.length ?? 0 }).end();
      case 'PUT': {
        const digest = createHash('sha256').update(body).digest('base64');
        if (request.headers['x-amz-checksum-sha256'] !== digest) return void answer(400);
        objects.set(key, body);
        encryption.set(key, encryptionIn(request));
        return void answer(200);
      }
      case 'GET':
        if (searchParams.has('list-type')) return void answer(200, listing(searchParams));
        return void (found === undefined ? answer(404) : answer(200, found));
      case 'DELETE':
        objects.delete(key);
        return void response.writeHead(204).end();
    }
    answer(405);
  }
  /** One key a page, so that a reader has to turn pages. */
  function listing(query: URLSearchParams): string {
    const after = query.get('continuation-token') ?? '';
    const keys = [...objects.keys()]
      .filter(key => key.startsWith(query.get('prefix') ?? '') && key > after)
      .sort();
    const [key] = keys;
    const found = key === undefined ? '' : `<Contents><Key>${key}</Key>${MODIFIED}</Contents>`;
    const next = keys.length > 1 ? `<NextContinuationToken>${key}</NextContinuationToken>` : '';
    return `<ListBucketResult>${found}${next}</ListBucketResult>`;
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    objects,
    encryption,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
