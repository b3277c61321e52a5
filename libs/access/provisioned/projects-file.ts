/** The operator's file of projects, read at the start and again whenever it, or the file of a key, has changed. */
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Clock, Logger } from '@penstock/runtime';
import { ProvisionError, readProjectsText } from './file-text.ts';
import { Provisioned } from './provisioned.ts';

/** How often it is looked at. */
const EVERY_MS = 3000;
const MOST_BYTES = 4 * 1024 * 1024;

export interface ProjectsFileOptions {
  readonly path: string;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Pick<Logger, 'info' | 'error'>;
}

export class ProjectsFile {
  readonly provisioned = new Provisioned();
  readonly #o: ProjectsFileOptions;
  /** What was read last, with the keys of other files: whether it is another one tells no clock of a file system, which may stand still. */
  #seen = '';
  /** Paths of files of keys, and what stood there. */
  #keyFiles = new Map<string, string>();
  #lookedAt = -Infinity;
  #isLooking = false;
  #problem: string | null = null;

  private constructor(options: ProjectsFileOptions) {
    this.#o = options;
  }

  /** @throws ProvisionError that names the line. */
  static async open(options: ProjectsFileOptions): Promise<ProjectsFile> {
    const file = new ProjectsFile(options);
    await file.#load();
    file.#lookedAt = options.clock.monotonic();
    return file;
  }

  /** What is wrong with the file as it is now, while what it said before goes on counting; null where nothing is. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Call once a second. Never rejects. */
  async tick(): Promise<void> {
    const { clock, log, path } = this.#o;
    if (this.#isLooking || clock.monotonic() - this.#lookedAt < EVERY_MS) return;
    this.#isLooking = true;
    this.#lookedAt = clock.monotonic();
    try {
      const isAnother = await this.#load();
      this.#problem = null;
      if (isAnother) log.info({ path }, 'the file of projects was read anew');
    } catch (err) {
      const problem = (err as Error).message;
      if (problem !== this.#problem)
        log.error({ path, problem }, 'the file of projects is refused, and what it said before goes on');
      this.#problem = problem;
    } finally {
      this.#isLooking = false;
    }
  }

  /** @returns whether it said anything else than before. @throws ProvisionError */
  async #load(): Promise<boolean> {
    const { path } = this.#o;
    const text = await readWhole(path);
    if (text === this.#seen && this.#areKeysTheSame()) return false;
    const keyFiles = new Map<string, string>();
    const { mtimeMs } = await stat(path);
    const provision = readProjectsText(text, {
      createdAt: Math.floor(mtimeMs / 1000),
      readKey: name => {
        const from = resolve(dirname(path), name);
        const key = readFileSync(from, 'utf8');
        keyFiles.set(from, key);
        return key;
      },
    });
    [this.#seen, this.#keyFiles] = [text, keyFiles];
    this.provisioned.set(provision);
    return true;
  }

  #areKeysTheSame(): boolean {
    try {
      return [...this.#keyFiles].every(([from, key]) => readFileSync(from, 'utf8') === key);
    } catch {
      return false;
    }
  }
}

/** Null where none is set. @throws ProvisionError that names the line. */
export async function projectsFileOf(
  { PENSTOCK_PROJECTS_FILE: path }: { readonly PENSTOCK_PROJECTS_FILE?: string | undefined },
  clock: Pick<Clock, 'monotonic'>,
  log: ProjectsFileOptions['log'],
): Promise<ProjectsFile | null> {
  return path === undefined ? null : ProjectsFile.open({ path, clock, log });
}

/** @throws ProvisionError */
async function readWhole(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > MOST_BYTES)
      throw new ProvisionError(`it is larger than ${MOST_BYTES} bytes`);
    return await readFile(path, 'utf8');
  } catch (err) {
    if (err instanceof ProvisionError) throw err;
    throw new ProvisionError(`it cannot be read (${(err as NodeJS.ErrnoException).code})`, { cause: err });
  }
}
