/** A receiver of webhooks on loopback whose answers a test sets, and which records every request. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  /** Unix ms. */
  readonly at: number;
  /** The envelope. */
  readonly event: { id: string; object: string; type: string; created_at: number; data: { id: string } };
}

/** Answers, or does not. @param count of posts to the same path so far, this one included. */
export type Behaviour = (response: ServerResponse, received: Received, count: number) => void;

export const accept: Behaviour = response => response.writeHead(200).end('ok');
/** A status for the first post, then another for all others. */
export const firstThen =
  (first: number, then = 200, headers: Record<string, string> = {}): Behaviour =>
  (response, _received, count) =>
    response.writeHead(count === 1 ? first : then, count === 1 ? headers : {}).end();

export async function startReceiver() {
  const received: Received[] = [];
  const behaviours = new Map<string, Behaviour>();
  const server = createServer((request, response) => void take(request, response));
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const path = request.url ?? '';
    const headers = request.headers as Record<string, string>;
    const post: Received = { path, headers, body, at: Date.now(), event: JSON.parse(body) };
    received.push(post);
    const count = received.filter(each => each.path === path).length;
    (behaviours.get(path) ?? accept)(response, post, count);
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    received,
    /** Posts to one path. */
    to: (path: string) => received.filter(each => each.path === path),
    behave: (path: string, behaviour: Behaviour) => behaviours.set(path, behaviour),
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
