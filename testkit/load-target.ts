/** A server to load, whose behaviour a test knows, and scripts that are written where the runner finds them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of the request, whole. */
  readonly body: string;
}

export type Answer = (exchange: Exchange) => void | Promise<void>;

/** @param answer what the server does; by default it answers 200 at once. */
export async function startTarget(answer: Answer = ({ response }) => void response.end('{"ok":true}')) {
  const seen: string[] = [];
  const server = createServer(async (request, response) => {
    request.setEncoding('utf8');
    let body = '';
    for await (const part of request) body += part;
    seen.push(`${request.method} ${request.url}`);
    await answer({ request, response, body });
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    /** Method and path of every request, in order. */
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

export async function scriptDirectory() {
  const directory = await mkdtemp(join(tmpdir(), 'penstock-load-'));
  let written = 0;
  return {
    directory,
    /** Writes a script and returns its path. */
    async script(text: string, name = `script-${++written}.ts`): Promise<string> {
      const path = join(directory, name);
      await writeFile(path, text);
      return path;
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
