/** Reading JSON from and writing it to plain node:http. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorBody } from './shapes.ts';

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Calls back with the whole body, null when it was too large. Not at all when the client left before its end. */
export function readBody(req: IncomingMessage, done: (body: Buffer | null) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  });
  req.on('end', () => {
    if (bytes > MAX_BODY_BYTES) done(null);
    else done(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
  });
}

export function parseObject(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

export function sendJson(res: ServerResponse, status: number, value: object): void {
  sendText(res, status, 'application/json', JSON.stringify(value));
}

export function sendText(res: ServerResponse, status: number, type: string, text: string): void {
  if (res.destroyed) return;
  res.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  res.end(text);
}

export function sendBadRequest(res: ServerResponse, message: string, param: string | null = null): void {
  sendJson(res, 400, errorBody(message, 'invalid_request_error', 400, param));
}

export function sendServerError(res: ServerResponse, message: string): void {
  sendJson(res, 500, errorBody(message, 'InternalServerError', 500));
}
