/** What an operator writes of the pools that are scaled: JSON, checked as a whole before anything is scaled. */
import { groupPools, type PoolRules, type ScheduleWindow } from '@penstock/policy';
import { z } from 'zod';

export interface Pool extends PoolRules {
  /** Name of the Deployment, for the driver `kubernetes`. */
  readonly workload: string;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const workers = z.number().int().min(0).max(10_000);
const seconds = z.number().min(0).max(86_400);
const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'give a time as 08:30');

const window = z
  .strictObject({
    days: z.array(z.enum(DAYS as [string, ...string[]])).default([]),
    from: time,
    to: time,
    zone: z.string().default('UTC').refine(isZone, 'give a time zone such as Europe/Berlin'),
    min: workers.optional(),
    max: workers.optional(),
  })
  .refine(({ min, max }) => min !== undefined || max !== undefined, 'give min, max or both')
  .refine(({ min = 0, max = min }) => min <= max, 'min is more than max');

const pool = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$/, 'give a name of a-z, 0-9 and -'),
    models: z.array(z.string().min(1).max(256)).min(1),
    slots: z.number().int().min(1).max(4096).default(128),
    speed: z.number().positive().max(1000).default(1),
    price: z.number().min(0).default(0),
    startS: seconds.default(180),
    min: workers.default(1),
    max: workers.min(1).default(8),
    zeroAfterS: seconds.default(900),
    schedule: z.array(window).default([]),
    workload: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'give the name of a Deployment')
      .optional(),
  })
  .refine(({ min, max }) => min <= max, 'min is more than max');

const FORM = 'use [{"name":"h100","models":["llama-70b"],"min":1,"max":8}]';

/** @throws TypeError that says what is wrong, and where. */
export function parsePools(text: string): readonly Pool[] {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw new TypeError(`not valid JSON; ${FORM}`);
  }
  const parsed = z.array(pool).min(1, FORM).max(200).safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TypeError(`${placeOf(issue?.path ?? [], given)}${issue?.message ?? FORM}`);
  }
  const pools = parsed.data.map(toPool);
  const names = new Set<string>();
  for (const { name } of pools) {
    if (names.has(name)) throw new TypeError(`pool ${name} is there twice`);
    names.add(name);
  }
  try {
    groupPools(pools);
  } catch (err) {
    throw new TypeError((err as Error).message);
  }
  return pools;
}

/** The pool by its name, where it has one. */
function placeOf(path: readonly PropertyKey[], given: unknown): string {
  const [index, ...rest] = path;
  if (typeof index !== 'number') return '';
  const { name } = ((given as unknown[])[index] ?? {}) as { name?: unknown };
  const of = typeof name === 'string' && name.length < 50 ? `pool ${name}` : `pool ${index + 1}`;
  return `${of}${rest.length === 0 ? '' : `, ${rest.map(String).join('.')}`}: `;
}

function toPool({ price, min, max, schedule, workload, ...rest }: z.infer<typeof pool>): Pool {
  return {
    ...rest,
    ...{ pricePerHour: price, least: min, most: max },
    schedule: schedule.map(toWindow),
    workload: workload ?? `penstock-worker-${rest.name}`,
  };
}

function toWindow({ days, from, to, zone, min, max }: z.infer<typeof window>): ScheduleWindow {
  return {
    ...{ days: days.map(day => DAYS.indexOf(day)), from: minutesOf(from), to: minutesOf(to), zone },
    ...(min === undefined ? {} : { least: min }),
    ...(max === undefined ? {} : { most: max }),
  };
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return 60 * hours + minutes;
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
