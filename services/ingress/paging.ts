/** Lists in OpenAI's shape: `limit`, `order` and `after` go in, a page with its first and last id comes out. */
import { DispatchError } from '@penstock/protocol';

export interface Paging {
  readonly limit: number;
  readonly order: 'asc' | 'desc';
  readonly after: string | null;
}

/** @throws DispatchError that names the parameter. */
export function readPaging(
  query: Readonly<Record<string, string | undefined>>,
  usual: number,
  most: number,
): Paging {
  const { limit = String(usual), order = 'desc', after = null } = query;
  const count = Number(limit);
  if (!(Number.isInteger(count) && count >= 1 && count <= most))
    throw new DispatchError('invalid_request', { message: `Use a limit from 1 to ${most}.`, param: 'limit' });
  if (order !== 'asc' && order !== 'desc')
    throw new DispatchError('invalid_request', { message: 'Use asc or desc.', param: 'order' });
  return { limit: count, order, after };
}

/** @param newestFirst all there are. An unknown `after` starts at the beginning. */
export function pageOf<T extends { readonly id: string }>(
  newestFirst: readonly T[],
  { limit, order, after }: Paging,
  show: (item: T) => object,
): object {
  const all = order === 'desc' ? newestFirst : [...newestFirst].reverse();
  const from = after === null ? 0 : all.findIndex(item => item.id === after) + 1;
  const page = all.slice(from, from + limit);
  return {
    object: 'list',
    data: page.map(show),
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    has_more: from + limit < all.length,
  };
}
