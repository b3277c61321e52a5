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

export function sendBytes(res: ServerResponse, type: string, bytes: Buffer): void {
  if (res.destroyed) return;
  res.writeHead(200, { 'content-type': type, 'content-length': bytes.length });
  res.end(bytes);
}

/** The fields of a multipart form; a file with its name and bytes. Null where it is none. */
export async function parseForm(body: Buffer, type: string): Promise<Record<string, unknown> | null> {
  try {
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData();
    const fields = [...form].map(async ([name, value]) => {
      if (typeof value === 'string') return [name, value] as const;
      return [name, { name: value.name, bytes: Buffer.from(await value.arrayBuffer()) }] as const;
    });
    return Object.fromEntries(await Promise.all(fields));
  } catch {
    return null;
  }
}

export function sendBadRequest(res: ServerResponse, message: string, param: string | null = null): void {
  sendJson(res, 400, errorBody(message, 'invalid_request_error', 400, param));
}

export function sendServerError(res: ServerResponse, message: string): void {
  sendJson(res, 500, errorBody(message, 'InternalServerError', 500));
}
