/** How much memory each process of a stack has, over time. */
import { readFileSync } from 'node:fs';

/** Of one process of a name, that of the latest where it was started again: MB, in order of time. */
export type Series = Record<string, number[]>;

const MB = 1024 * 1024;
const KB = 1024;

export class MemoryWatch {
  readonly series: Series = {};
  readonly everyMs: number;
  readonly #pids: () => Readonly<Record<string, number>>;
  readonly #timer: NodeJS.Timeout;

  /** @param pids of the processes there are, by name. */
  constructor(pids: () => Readonly<Record<string, number>>, everyMs: number) {
    this.#pids = pids;
    this.everyMs = everyMs;
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  #look(): void {
    for (const [name, pid] of Object.entries(this.#pids())) {
      const bytes = residentBytes(pid);
      const known = this.series[name] ?? [];
      this.series[name] = bytes === null ? known : [...known, Math.round(bytes / MB)];
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Null where it has ended, or where the system has no /proc. */
function residentBytes(pid: number): number | null {
  try {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) * KB;
  } catch {
    return null;
  }
}
