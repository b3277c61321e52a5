/** An engine that says which bytes it got, and holds its answers back while the test wants it. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chunk, DONE, gate } from '../scripted-engine.ts';

export interface DigestEngine {
  readonly url: string;
  /** Bodies that came, oldest first. */
  readonly got: readonly Buffer[];
  /** From now on requests wait. @returns a function that lets them be answered. */
  hold(): () => void;
  /** Every request fails from now on. */
  fails: boolean;
  [Symbol.asyncDispose](): Promise<void>;
}

export function digestOf(body: Uint8Array | string): string {
  return createHash('sha256').update(body).digest('hex');
}

/** Serves the model `digest`. Each answer is the digest of the request's body. */
export async function startDigestEngine(): Promise<DigestEngine> {
  const got: Buffer[] = [];
  let answering = Promise.resolve();
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/v1/models') return response.end(MODELS);
    if (request.method !== 'POST') return response.writeHead(request.url === '/health' ? 200 : 404).end();
    const body = Buffer.concat(await request.toArray());
    got.push(body);
    await answering;
    if (engine.fails) return response.writeHead(500).end('{"error":{"message":"broken"}}');
    const content = digestOf(body);
    const { stream } = JSON.parse(body.toString()) as { stream?: boolean };
    if (stream) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return response.end(chunk({ role: 'assistant', content }) + chunk({}, 'stop') + DONE);
    }
    const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' };
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(
      JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, choices: [choice] }),
    );
  };
  const server = createServer((request, response) => void answer(request, response).catch(() => {}));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const engine = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got,
    fails: false,
    hold() {
      const { opened, open } = gate();
      answering = opened;
      return open;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
  return engine;
}

const MODELS = JSON.stringify({ data: [{ id: 'digest', created: 1, owned_by: 'test' }] });
