/** Answers malformed requests on the bare connection, in the shape of every other error. */
import type { Socket } from 'node:net';
import { DispatchError, JSON_CONTENT_TYPE, toErrorBody } from '@penstock/protocol';
import { STATUS_CODES } from '@penstock/runtime/node-http';

const BY_CODE: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time. Send it again.'],
  HPE_HEADER_OVERFLOW: [431, 'The headers are longer than this server accepts. Send fewer or shorter ones.'],
};
const NO_HTTP = [
  400,
  'This is not a valid HTTP request. Check the client or the proxy that sent it.',
] as const;

/** Node's `clientError`: the bytes were not a request, or not a whole one. @param count told the status that is answered. */
export function refuseOnWire(
  error: Error & { code?: string },
  socket: Socket,
  count: (status: number) => void,
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, message] = BY_CODE[error.code ?? ''] ?? NO_HTTP;
  count(status);
  const body = JSON.stringify(toErrorBody(new DispatchError('invalid_request', { message })));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${JSON_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroy();
}
