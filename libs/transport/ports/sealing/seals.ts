import type { Readable } from 'node:stream';

/** Seals and opens what is kept of runs and other records. What was kept in the clear, before or while sealing is off, opens as it is. */
export interface Seals {
  /** Whether what is new of a record is sealed, whose project has to be known for that. */
  readonly isOn: boolean;
  /** Whether the project has to be known to open something. */
  readonly needsProject: boolean;
  /**
   * What seals for a record; null where nothing is sealed.
   * @param project null where only the record is known: whoever has no way to find it out seals with what it was given for the record.
   */
  sealer(project: string | null, record: string): Promise<Sealer | null>;
  /** @throws SealError that names the key which is missing. */
  open(project: string | null, record: string, field: string, content: Buffer): Promise<Buffer>;
  /** As {@link open}, without waiting; null where its key is not at hand. */
  openNow(project: string | null, record: string, field: string, content: Buffer): Buffer | null;
  /**
   * As {@link open}, of a long content. The stream fails where it is not what was sealed.
   * @param records under which it may have been sealed. @param isSealed what is in the clear is refused.
   */
  openStream(
    project: string | null,
    records: readonly string[],
    content: Readable,
    isSealed?: boolean,
  ): Promise<Readable>;
}

export interface Sealer {
  /** Of the data key. */
  readonly keyId: string;
  seal(field: string, content: Uint8Array): Buffer;
  /** Tells equal contents of the record, and nothing to whoever has no key. @param digest of a content. */
  likeness(digest: Uint8Array): string;
  /** A long content. @returns with it how long it was, once it has ended. */
  sealStream(content: AsyncIterable<Uint8Array>): { readonly stream: Readable; bytes(): number };
}
