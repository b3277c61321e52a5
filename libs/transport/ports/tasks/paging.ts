export interface PageOrder {
  readonly limit: number;
  readonly order: 'asc' | 'desc';
  /** Id of the last item of the previous page. */
  readonly after: string | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}
