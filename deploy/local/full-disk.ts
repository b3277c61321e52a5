/**
 * nats-server writes nothing more once its disk was full, also when there is room again: it has to be started anew. Found by what it logs: it
 * goes on running, and hands out what it has.
 */
import { closeSync, fstatSync, openSync, readSync, statfsSync } from 'node:fs';

/** Reads as much of a log at once, bytes. A full disk is told of with each request. */
const MOST_READ = 256 * 1024;
const EVERY_MS = 2000;
/** Room that is worth a start, bytes. */
const ENOUGH_BYTES = 64 * 1024 * 1024;
const NO_ROOM = 'no space left on device';

export interface FullDiskOptions {
  readonly logFile: string;
  readonly restart: () => void;
  readonly say: (line: string) => void;
  /** Free bytes of the disk. */
  readonly free: () => number;
}

export class FullDisk {
  readonly #o: FullDiskOptions;
  #readTo: number;
  #isFull = false;

  constructor(options: FullDiskOptions) {
    this.#o = options;
    this.#readTo = this.#read(0).size;
  }

  /** Looks every two seconds, for as long as this process lives. */
  start(): void {
    setInterval(() => this.look(), EVERY_MS).unref();
  }

  look(): void {
    const { say, restart, free } = this.#o;
    const { text, size } = this.#read(this.#readTo);
    this.#readTo = size;
    if (!this.#isFull && text.includes(NO_ROOM)) {
      this.#isFull = true;
      say('nats ran out of disk space and takes no requests; it is started again once there are 64 MB');
    }
    if (!this.#isFull || free() < ENOUGH_BYTES) return;
    this.#isFull = false;
    say('nats has disk space again');
    restart();
  }

  /** What was added; of a log that was begun anew, or grew by much, the end. */
  #read(from: number): { text: string; size: number } {
    let log: number;
    try {
      log = openSync(this.#o.logFile, 'r');
    } catch {
      return { text: '', size: 0 };
    }
    try {
      const { size } = fstatSync(log);
      const start = Math.max(from <= size ? from : 0, size - MOST_READ);
      const bytes = Buffer.alloc(size - start);
      return { text: bytes.toString('utf8', 0, readSync(log, bytes, 0, bytes.length, start)), size };
    } finally {
      closeSync(log);
    }
  }
}

/** Free bytes of the disk that a directory is on. */
export function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}
