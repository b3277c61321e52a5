/** Lines of a file, one at a time: memory does not grow with the file. */
import type { Readable } from 'node:stream';

/** Longest line, characters: the broker takes no larger message. */
const MAX_LINE = 6 * 1024 * 1024;

/** The file is not what it should be, as a whole. */
export class FileProblem extends Error {
  override readonly name = 'FileProblem';
  readonly code: string;
  readonly line: number | null;
  constructor(code: string, message: string, line: number | null = null) {
    super(message);
    this.code = code;
    this.line = line;
  }
}

export interface Line {
  /** 1 for the first. */
  readonly number: number;
  readonly text: string;
}

/** Lines that are not blank; a byte order mark and carriage returns are taken off. @throws FileProblem for bytes that are not UTF-8. */
export async function* readLines(content: Readable): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let number = 0;
  const decode = (chunk?: Buffer): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw new FileProblem('invalid_encoding', 'The file is not UTF-8 text.', number + 1);
    }
  };
  for await (const chunk of content) {
    const parts = (rest + decode(chunk as Buffer)).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > MAX_LINE) throw new FileProblem('line_too_long', 'This line is too long.', number + 1);
    for (const part of parts) {
      number++;
      const text = part.endsWith('\r') ? part.slice(0, -1) : part;
      if (text.trim() !== '') yield { number, text };
    }
  }
  const last = (rest + decode()).replace(/\r$/, '');
  if (last.trim() !== '') yield { number: number + 1, text: last };
}
