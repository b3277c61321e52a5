/** The least that can answer: a unary reply at once, or a stream of a token every 20 ms. Prints its port. */
import { createServer, type ServerResponse } from 'node:http';

const TICK_MS = 2;
const GAP_MS = 20;
const TOKENS = 50;
const ANSWER = JSON.stringify({ object: 'chat.completion', choices: [{ message: { content: 'Hello' } }] });
const EVENT = `data: ${JSON.stringify({
  id: 'chatcmpl-0123456789abcdef',
  object: 'chat.completion.chunk',
  created: 1_700_000_000,
  model: 'sim-chat',
  choices: [{ index: 0, delta: { content: ' token' }, finish_reason: null }],
})}\n\n`;

interface Stream {
  readonly response: ServerResponse;
  left: number;
}
/** One bucket a tick, so that streams are spread over the gap. */
const buckets: Set<Stream>[] = Array.from({ length: GAP_MS / TICK_MS }, () => new Set());
let tick = 0;

const server = createServer((request, response) => {
  request.resume();
  if (request.url !== '/stream') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length });
    response.end(ANSWER);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  buckets[tick % buckets.length]?.add({ response, left: TOKENS });
});
server.keepAliveTimeout = 60_000;

setInterval(() => {
  const bucket = buckets[++tick % buckets.length];
  for (const stream of bucket ?? []) {
    stream.response.write(EVENT);
    if (--stream.left > 0) continue;
    stream.response.end('data: [DONE]\n\n');
    bucket?.delete(stream);
  }
}, TICK_MS);

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
