/** The list of a tenant's stored chat completions, in order of creation. Holds ids only. */
export interface CompletionList {
  /** Adds a run, and drops entries that are older than `keptMs`. @param createdAt Unix ms. */
  add(tenant: string, id: string, createdAt: number, keptMs: number): Promise<void>;
  remove(tenant: string, id: string): Promise<void>;
  /** Up to `most` ids after `after`, or from the start of the list; null where `after` is not in the list. */
  page(tenant: string, order: 'asc' | 'desc', after: string | null, most: number): Promise<string[] | null>;
}
