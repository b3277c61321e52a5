/** An engine that says exactly what a test tells it to: bytes, in the pieces and at the times that the test chooses. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface EngineCall {
  readonly body: Record<string, unknown> & { messages: { role: string; content: string }[] };
  /** 1 for the first call this engine gets. */
  readonly count: number;
  readonly headers: IncomingHttpHeaders;
}

/** Bytes of an event stream, piece by piece. */
export type Script = (call: EngineCall) => AsyncGenerator<string | Buffer>;

export interface ScriptedEngine {
  readonly url: string;
  readonly calls: readonly EngineCall[];
  /** What it lists. One that is not among them is answered with 404. */
  models: ScriptedModel[];
  close(): Promise<void>;
}

export type ScriptedModel = { readonly id: string } & Readonly<Record<string, unknown>>;

/** Serves the model `scripted`, and what a test adds to its list. */
export async function startScriptedEngine(script: Script): Promise<ScriptedEngine> {
  const calls: EngineCall[] = [];
  const served = { models: [{ id: 'scripted', created: 1, owned_by: 'test' }] as ScriptedModel[] };
  const server = createServer(async (req, res) => {
    if (req.url === '/v1/models') return res.end(JSON.stringify({ data: served.models }));
    if (req.method !== 'POST') return res.writeHead(req.url === '/health' ? 200 : 404).end();
    const call = { body: JSON.parse(await readAll(req)), count: calls.length + 1, headers: req.headers };
    calls.push(call);
    if (!served.models.some(({ id }) => id === call.body['model'])) return notFound(res);
    const type = call.body['stream'] === true ? 'text/event-stream' : 'application/json';
    res.writeHead(200, { 'content-type': type });
    for await (const bytes of script(call)) if (!res.destroyed) res.write(bytes);
    return res.end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    get models() {
      return served.models;
    },
    set models(models) {
      served.models = models;
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** As vLLM says it. */
function notFound(res: ServerResponse): void {
  const error = { message: 'The model does not exist.', type: 'NotFoundError', param: 'model', code: 404 };
  res.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}

async function readAll(req: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of req.setEncoding('utf8')) text += piece;
  return text;
}

/** One chunk of a chat stream as an engine writes it. */
export function chunk(delta: object, finish: string | null = null): string {
  const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
  const head = { id: 'chatcmpl-x', object: 'chat.completion.chunk', created: 1, model: 'scripted' };
  return `data: ${JSON.stringify({ ...head, choices: [choice] })}\n\n`;
}

export const DONE = 'data: [DONE]\n\n';

/** A promise to be kept by the test. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
