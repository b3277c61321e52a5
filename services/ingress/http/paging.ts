/** Lists in OpenAI's shape: `limit`, `order` and `after` go in, a page with its first and last id comes out. */
import { DispatchError } from '@penstock/protocol';
import type { Page, PageOrder } from '@penstock/transport';

/** @throws DispatchError that names the parameter. */
export function readPaging(
  query: Readonly<Record<string, string | undefined>>,
  usual: number,
  most: number,
): PageOrder {
  const { limit = String(usual), order = 'desc', after = null } = query;
  const count = Number(limit);
  if (!(Number.isInteger(count) && count >= 1 && count <= most))
    throw new DispatchError('invalid_request', {
      message: `\`limit\` must be a whole number from 1 to ${most}.`,
      param: 'limit',
    });
  if (order !== 'asc' && order !== 'desc')
    throw new DispatchError('invalid_request', { message: '`order` must be asc or desc.', param: 'order' });
  return { limit: count, order, after };
}

/**
 * @param page null for an unknown `after`. Starting at the beginning instead would let a client that pages go round for ever.
 * @param show the item as the client sees it, or null to leave it out.
 */
export function toPage<T extends { readonly id: string }>(
  page: Page<T> | null,
  show: (item: T) => object | null,
): object {
  if (page === null)
    throw new DispatchError('invalid_request', {
      message: 'Unknown `after` cursor. Start again without it.',
      param: 'after',
    });
  const { items, hasMore } = page;
  return {
    object: 'list',
    data: items.map(show).filter(shown => shown !== null),
    first_id: items[0]?.id ?? null,
    last_id: items.at(-1)?.id ?? null,
    has_more: hasMore,
  };
}

/** A page of what is all in memory. */
export function pageOf<T extends { readonly id: string }>(
  newestFirst: readonly T[],
  order: PageOrder,
  show: (item: T) => object,
): object {
  return toPage(itemsOf(newestFirst, order), show);
}

/** What stands on a page of what is all in memory; null for an unknown `after`. */
export function itemsOf<T extends { readonly id: string }>(
  newestFirst: readonly T[],
  { limit, order, after }: PageOrder,
): Page<T> | null {
  const all = order === 'desc' ? newestFirst : [...newestFirst].reverse();
  const at = after === null ? -1 : all.findIndex(item => item.id === after);
  if (after !== null && at < 0) return null;
  return { items: all.slice(at + 1, at + 1 + limit), hasMore: at + 1 + limit < all.length };
}
