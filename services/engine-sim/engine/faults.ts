/** Failures that a request asks for by its model name: `sim-fail-after-3` is an engine that dies after three tokens. */

/** What happens once the given number of tokens was sent. */
export type LateFault = 'destroy' | 'error' | 'hang' | 'truncate' | 'half-event';
/** What happens instead of an answer. */
export type EarlyFault = 'fail' | 'fail-once' | 'hang' | 'disconnect' | 'garbage' | 'bad-request';

export type Fault =
  | { readonly kind: 'early'; readonly fault: EarlyFault }
  | { readonly kind: 'late'; readonly fault: LateFault; readonly after: number }
  | { readonly kind: 'slow'; readonly factor: number };

const EARLY: Readonly<Record<string, EarlyFault>> = {
  'sim-fail': 'fail',
  'sim-fail-once': 'fail-once',
  'sim-hang': 'hang',
  'sim-disconnect': 'disconnect',
  'sim-garbage': 'garbage',
  'sim-400': 'bad-request',
};

const LATE: Readonly<Record<string, LateFault>> = {
  fail: 'destroy',
  error: 'error',
  hang: 'hang',
  truncate: 'truncate',
  'half-event': 'half-event',
};

/** Names listed by engines that show their sentinels; the numbers are examples. */
export const SENTINEL_MODELS: readonly string[] = [
  ...Object.keys(EARLY),
  ...Object.keys(LATE).map(name => `sim-${name}-after-3`),
  'sim-slow-4',
];

/** The fault a model name asks for; null for an ordinary model. */
export function readFault(model: string): Fault | null {
  if (!model.startsWith('sim-')) return null;
  const early = EARLY[model];
  if (early !== undefined) return { kind: 'early', fault: early };
  const late = /^sim-([a-z-]+)-after-(\d{1,6})$/.exec(model);
  const fault = LATE[late?.[1] ?? ''];
  if (fault !== undefined) return { kind: 'late', fault, after: Number(late?.[2]) };
  const slow = /^sim-slow-(\d{1,3}(?:\.\d{1,2})?)$/.exec(model);
  const factor = Number(slow?.[1]);
  return factor > 0 ? { kind: 'slow', factor } : null;
}
