/** Bodies as k6 takes them: text, bytes, a form, or a form with files. */
import { randomUUID } from 'node:crypto';

/** What `http.file` makes. */
export class FileData {
  readonly data: string | ArrayBuffer;
  readonly filename: string;
  readonly content_type: string;

  constructor(data: string | ArrayBuffer, filename?: string, contentType?: string) {
    this.data = data;
    this.filename = filename ?? `${Date.now()}`;
    this.content_type = contentType ?? 'application/octet-stream';
  }
}

export interface EncodedBody {
  readonly body: string | Buffer | null;
  /** For requests that name none themselves. */
  readonly contentType: string | null;
}

/** @throws TypeError for what is no body. */
export function encodeBody(body: unknown): EncodedBody {
  if (body === null || body === undefined) return { body: null, contentType: null };
  if (typeof body === 'string') return { body, contentType: null };
  if (body instanceof ArrayBuffer) return { body: Buffer.from(body), contentType: null };
  if (ArrayBuffer.isView(body)) {
    return { body: Buffer.from(body.buffer, body.byteOffset, body.byteLength), contentType: null };
  }
  if (typeof body !== 'object') throw new TypeError(`a request body cannot be a ${typeof body}`);
  const fields = Object.entries(body as Record<string, unknown>);
  return fields.some(([, value]) => value instanceof FileData) ? multipart(fields) : form(fields);
}

function form(fields: [string, unknown][]): EncodedBody {
  const params = new URLSearchParams();
  for (const [name, value] of fields) {
    for (const each of Array.isArray(value) ? value : [value]) params.append(name, String(each));
  }
  return { body: params.toString(), contentType: 'application/x-www-form-urlencoded' };
}

function multipart(fields: [string, unknown][]): EncodedBody {
  const boundary = `penstock-${randomUUID()}`;
  const parts: Buffer[] = [];
  for (const [name, value] of fields) {
    const file = value instanceof FileData ? value : null;
    const head = file
      ? `; filename="${quoted(file.filename)}"\r\nContent-Type: ${file.content_type.replace(/[\r\n]/g, '')}`
      : '';
    parts.push(
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"${head}\r\n\r\n`),
      typeof file?.data === 'object' ? Buffer.from(file.data) : Buffer.from(String(file?.data ?? value)),
      Buffer.from('\r\n'),
    );
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  return { body: Buffer.concat(parts), contentType: `multipart/form-data; boundary=${boundary}` };
}

/** As browsers escape names in a multipart header. */
function quoted(text: string): string {
  return text.replace(/"/g, '%22').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
}
