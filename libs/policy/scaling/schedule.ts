/** Times of the week at which a pool has more workers, or fewer, than the load alone would say. */

export interface ScheduleWindow {
  /** 0 is Sunday; all days where empty. The day on which the window begins. */
  readonly days: readonly number[];
  /** Minutes after midnight. A window that ends before it begins lasts beyond midnight. */
  readonly from: number;
  readonly to: number;
  /** Name of a time zone (IANA). */
  readonly zone: string;
  readonly least?: number;
  readonly most?: number;
}

export interface Bounds {
  readonly least: number;
  readonly most: number;
}

const DAY_MIN = 1440;
const MINUTE_MS = 60_000;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
/** Made once: a format costs more than all else here. */
const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * Bounds of a pool that hold now. A window that begins within the time a worker needs to start counts already where it raises the
 * fewest (workers are there when it begins), but not where it lowers anything.
 * @param now Unix ms. @param startS of a worker of the pool.
 */
export function boundsAt(
  pool: Bounds & { readonly schedule: readonly ScheduleWindow[] },
  now: number,
  startS: number,
): Bounds {
  let { least, most } = pool;
  for (const window of pool.schedule) {
    const isOpen = holdsAt(window, now);
    if (isOpen && window.most !== undefined) most = Math.min(most, window.most);
    const isSoon = isOpen || holdsWithin(window, now, startS);
    if (isSoon && window.least !== undefined) least = Math.max(least, window.least);
  }
  return { least: Math.min(least, most), most };
}

function holdsWithin(window: ScheduleWindow, now: number, withinS: number): boolean {
  for (let ahead = MINUTE_MS; ahead < 1000 * withinS; ahead += MINUTE_MS)
    if (holdsAt(window, now + ahead)) return true;
  return holdsAt(window, now + 1000 * withinS);
}

export function holdsAt({ days, from, to, zone }: ScheduleWindow, at: number): boolean {
  const { day, minute } = localTime(at, zone);
  const isDay = (d: number) => days.length === 0 || days.includes((d + 7) % 7);
  if (from <= to) return isDay(day) && minute >= from && minute < to;
  return (isDay(day) && minute >= from) || (isDay(day - 1) && minute < to);
}

function localTime(at: number, zone: string): { readonly day: number; readonly minute: number } {
  if (zone === 'UTC') {
    const minutes = Math.floor(at / MINUTE_MS);
    // 1 January 1970 was a Thursday.
    return { day: (Math.floor(minutes / DAY_MIN) + 4) % 7, minute: minutes % DAY_MIN };
  }
  let format = formats.get(zone);
  if (format === undefined) {
    const shown = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, ...shown });
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return {
    day: DAYS.indexOf(parts['weekday'] ?? ''),
    minute: 60 * Number(parts['hour']) + Number(parts['minute']),
  };
}
