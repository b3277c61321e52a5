/**
 * Prompt size classes. Each has its own consumer, so that a worker quotes a level for *that* work: a long prompt costs a
 * slow GPU far more than a fast one, and a level that averages over sizes cannot say so.
 */

export const SIZE_CLASSES = ['short', 'medium', 'long'] as const;
export type PromptSize = (typeof SIZE_CLASSES)[number];

/** The value of one class. Written out because a lookup by a key that varies takes several times as long. */
export function ofSize<Value>(
  { short, medium, long }: Readonly<Record<PromptSize, Value>>,
  size: PromptSize,
): Value {
  if (size === 'short') return short;
  return size === 'medium' ? medium : long;
}

/** Upper limits in prompt tokens, inclusive; anything above both is long. */
export interface SizeBoundaries {
  readonly short: number;
  readonly medium: number;
}

export const DEFAULT_BOUNDARIES: SizeBoundaries = { short: 4096, medium: 16_384 };

/** Prompt tokens a quote for the class is made for. */
export const TYPICAL_TOKENS: Readonly<Record<PromptSize, number>> = {
  short: 1000,
  medium: 8000,
  long: 24_000,
};

/** {@link TYPICAL_TOKENS}, scaled to other boundaries. */
export function typicalTokens(boundaries: SizeBoundaries): Readonly<Record<PromptSize, number>> {
  const [short, medium] = [
    boundaries.short / DEFAULT_BOUNDARIES.short,
    boundaries.medium / DEFAULT_BOUNDARIES.medium,
  ];
  return {
    short: TYPICAL_TOKENS.short * short,
    medium: TYPICAL_TOKENS.medium * medium,
    long: TYPICAL_TOKENS.long * medium,
  };
}

/** Reads `short,medium`. @throws RangeError for anything but two rising whole numbers. */
export function parseBoundaries(text: string): SizeBoundaries {
  const [, short, medium] = /^\s*(\d{1,8})\s*,\s*(\d{1,8})\s*$/.exec(text) ?? [];
  const boundaries = { short: Number(short), medium: Number(medium) };
  if (!(boundaries.short >= 1 && boundaries.medium > boundaries.short))
    throw new RangeError('use two rising whole numbers of tokens, like 4096,16384');
  return boundaries;
}

export function sizeClassOf(
  promptTokens: number,
  boundaries: SizeBoundaries = DEFAULT_BOUNDARIES,
): PromptSize {
  if (promptTokens <= boundaries.short) return 'short';
  return promptTokens <= boundaries.medium ? 'medium' : 'long';
}
