/** The certificate of the API: what the settings gave at the start, and what their files hold later. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Logger } from '@penstock/runtime';
import { readTlsMaterial } from '@penstock/transport';
import type { Pair } from './secure-server.ts';

/** How often the files are looked at, ms: what notifies of changes misses those of mounted secrets. */
export const LOOK_EVERY_MS = 2000;

const SETTINGS = 'PENSTOCK_TLS';

export interface CertificateOptions {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Paths; null where the settings hold the texts themselves, which do not change. */
  readonly files: { readonly cert: string; readonly key: string } | null;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export class Certificate {
  readonly #o: CertificateOptions;
  #pair: Pair;
  /** What the files held when they were last looked at: something broken is said once. */
  #seen: string;
  #isStale = false;
  #use: (pair: Pair) => void = () => {};

  private constructor(options: CertificateOptions, pair: Pair) {
    this.#o = options;
    this.#pair = pair;
    this.#seen = contentOf(pair);
  }

  /** @returns null where none is set. @throws ConnectError that names the setting. */
  static of(options: CertificateOptions): Certificate | null {
    const pair = pairOf(options);
    return pair === null ? null : new Certificate(options, pair);
  }

  get pair(): Pair {
    return this.#pair;
  }

  /** Unix s. */
  get endsAt(): number {
    return new X509Certificate(this.#pair.cert).validToDate.getTime() / 1000;
  }

  /** Its files hold something else, which cannot be used. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** @param use told of each new pair; throws where it cannot be used. */
  whenNew(use: (pair: Pair) => void): void {
    this.#use = use;
  }

  /** Looks at the files. What cannot be used leaves everything as it was. Never rejects. */
  async look(): Promise<void> {
    const { files, log } = this.#o;
    if (files === null) return;
    try {
      const [cert, key] = await Promise.all([readFile(files.cert, 'utf8'), readFile(files.key, 'utf8')]);
      const content = contentOf({ cert, key });
      if (content === contentOf(this.#pair)) this.#isStale = false;
      if (content === this.#seen) return;
      this.#seen = content;
      const pair = pairOf({ cert, key });
      if (pair === null) return;
      this.#use(pair);
      this.#pair = pair;
      this.#isStale = false;
      log.info({ endsAt: new Date(this.endsAt * 1000).toISOString() }, 'new certificate of the API');
    } catch (err) {
      // A file that cannot be read for a while is said once, too.
      if (!this.#isStale || (err as { code?: unknown }).code === undefined)
        log.warn(
          { reason: reasonOf(err) },
          'the new certificate of the API cannot be used: the old one stays',
        );
      this.#isStale = true;
    }
  }
}

/** A file that cannot be read is named by its code: its path is the operator's affair. */
function reasonOf(err: unknown): string {
  const { code, message } = err as NodeJS.ErrnoException;
  return code === undefined ? message : `PENSTOCK_TLS_CERT_FILE, PENSTOCK_TLS_KEY_FILE: ${code}`;
}

function pairOf({ cert, key }: Pick<CertificateOptions, 'cert' | 'key'>): Pair | null {
  const material = readTlsMaterial(SETTINGS, { cert, key });
  return material?.cert === undefined || material.key === undefined
    ? null
    : { cert: material.cert, key: material.key };
}

/** Line breaks at their ends are an editor's. */
function contentOf({ cert, key }: Pair): string {
  return `${cert.trimEnd()}\n${key.trimEnd()}`;
}
