/** Samples as k6 writes them with `--out json=FILE`: one JSON object a line, read while the file grows. */
import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

export interface Point {
  readonly metric: string;
  /** Unix ms. */
  readonly at: number;
  readonly value: number;
  readonly tags: Readonly<Record<string, string>>;
}

const CHUNK = 1 << 20;

/** Reads what was appended since the last time. A line that is not whole yet waits for its rest. */
export class PointFile {
  readonly #path: string;
  readonly #decoder = new StringDecoder('utf8');
  readonly #chunk = Buffer.allocUnsafe(CHUNK);
  #offset = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  read(each: (point: Point) => void): void {
    let file: number;
    try {
      file = openSync(this.#path, 'r');
    } catch {
      return; // Not written yet.
    }
    try {
      for (;;) {
        const bytes = readSync(file, this.#chunk, 0, CHUNK, this.#offset);
        if (bytes === 0) return;
        this.#offset += bytes;
        const lines = (this.#rest + this.#decoder.write(this.#chunk.subarray(0, bytes))).split('\n');
        this.#rest = lines.pop() ?? '';
        for (const line of lines) {
          const point = parsePoint(line);
          if (point !== null) each(point);
        }
      }
    } finally {
      closeSync(file);
    }
  }
}

/** Null for lines that say something else, such as what metrics there are. */
function parsePoint(line: string): Point | null {
  if (!line.includes('"Point"')) return null;
  const { metric, data } = JSON.parse(line) as {
    metric: string;
    data: { time: string; value: number; tags?: Record<string, string> | null };
  };
  return { metric, at: Date.parse(data.time), value: data.value, tags: data.tags ?? {} };
}
