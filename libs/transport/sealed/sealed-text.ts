/** Texts of records: sealed, they stay texts. */
import type { Sealer, Seals } from '../ports/sealing/seals.ts';
import { fromSealedText, isSealedText, SealError, toSealedText } from '../vault/sealed-bytes.ts';

/** Shown in the place of a text that cannot be opened. */
export const ENCRYPTED = '(encrypted)';

/** What a text belongs to. */
export interface TextPlace {
  readonly project: string;
  readonly record: string;
  readonly field: string;
}

/** What is empty, or sealed already, as when it comes out of a message, stays as it is. */
export function sealedText(text: string, field: string, sealer: Sealer | null): string {
  if (sealer === null || text === '' || isSealedText(text)) return text;
  return toSealedText(sealer.seal(field, Buffer.from(text)));
}

/** @throws SealError */
export async function openedText(seals: Seals, place: TextPlace, text: string): Promise<string> {
  if (!isSealedText(text)) return text;
  const { project, record, field } = place;
  return (await seals.open(project, record, field, fromSealedText(text))).toString('utf8');
}

/** As {@link openedText}, of a text that others do without: null where it cannot be opened. */
export async function openedTextOrNull(seals: Seals, place: TextPlace, text: string): Promise<string | null> {
  try {
    return await openedText(seals, place, text);
  } catch (err) {
    if (err instanceof SealError) return null;
    throw err;
  }
}
