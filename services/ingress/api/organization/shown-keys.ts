/** Keys as the admin API shows them: with when they were used last, never themselves. */
import type { KeyOffice } from '@penstock/access';
import type { KeyRecord } from '@penstock/protocol';
import { itemsOf, readPaging, toPage } from '../../http/paging.ts';
import type { Query } from './routes.ts';

/** @param usedAt Unix seconds, or null. */
type Show = (key: KeyRecord, usedAt: number | null) => object;
type Uses = Pick<KeyOffice, 'usesOf'>;

export async function shownKey(office: Uses, key: KeyRecord, show: Show): Promise<object> {
  const uses = await office.usesOf([key]);
  return show(key, uses.get(key.id) ?? null);
}

/** Uses are read of the keys on the page alone. @param project null for admin keys. */
export async function keyPage(
  office: Uses & Pick<KeyOffice, 'list'>,
  project: string | null,
  query: Query,
  show: Show,
): Promise<object> {
  const keys = await office.list(project);
  const page = itemsOf(keys.reverse(), readPaging(query, 20, 100));
  const uses = await office.usesOf(page?.items ?? []);
  return toPage(page, key => show(key, uses.get(key.id) ?? null));
}
