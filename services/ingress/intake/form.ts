/** A multipart body that is passed to the engine as it is: only its fields are read, not what is in its files. */
import { Busboy } from '@fastify/busboy';
import { DispatchError } from '@penstock/protocol';

/** The SDKs send a dozen short ones. */
const LIMITS = { fields: 100, fieldSize: 64 * 1024, files: 20, parts: 120 };

export function isForm(contentType: string): boolean {
  return /^multipart\/form-data\b/i.test(contentType);
}

/** Text fields by name, the first of each; of a file its name. @throws DispatchError where it is no form. */
export function readForm(body: Buffer, contentType: string): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>();
    const take = (name: string, value: string) => void (fields.has(name) || fields.set(name, value));
    try {
      const form = new Busboy({ headers: { 'content-type': contentType }, limits: LIMITS });
      form.on('field', take);
      form.on('file', (name, file, filename) => {
        take(name, filename ?? '');
        file.resume();
      });
      form.on('error', () => reject(notAForm()));
      form.on('finish', () => resolve(Object.fromEntries(fields)));
      form.end(body);
    } catch {
      // Without a boundary.
      reject(notAForm());
    }
  });
}

function notAForm(): DispatchError {
  return new DispatchError('invalid_request', { message: 'The multipart body is not valid.' });
}

/** The form with another value for a text field, and all other bytes as they are; as it is where it has no such field. */
export function withFormField(body: Buffer, contentType: string, name: string, value: string): Buffer {
  const boundary = boundaryOf(contentType);
  if (boundary === '') return body;
  const delimiter = `\r\n--${boundary}`;
  let at = body.indexOf(`--${boundary}`);
  while (at >= 0) {
    const start = body.indexOf('\r\n\r\n', at);
    const end = start < 0 ? -1 : body.indexOf(delimiter, start + 2);
    if (end < 0) return body;
    const head = body.toString('latin1', at, start);
    if (
      new RegExp(`^content-disposition:[^\\n]*[; ]name="?${name}"?\\s*(;|$)`, 'im').test(head) &&
      !/filename/i.test(head)
    )
      return Buffer.concat([body.subarray(0, start + 4), Buffer.from(value), body.subarray(end)]);
    at = end + 2;
  }
  return body;
}

function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? [];
  return quoted ?? plain ?? '';
}

/** The body without its boundary, which differs whenever a client sends the same form again. */
export function withoutBoundary(body: Buffer, contentType: string): Buffer {
  const boundary = boundaryOf(contentType);
  if (boundary === '') return body;
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = body.indexOf(boundary); at >= 0; at = body.indexOf(boundary, from)) {
    pieces.push(body.subarray(from, at));
    from = at + boundary.length;
  }
  return Buffer.concat([...pieces, body.subarray(from)]);
}
