/**
 * What an ingress tells the others of what waits at its doors (decision 0012), once a second while something waits anywhere: by queue and project, so that
 * each project gets its share of the workers once, whatever nodes it uses. JSON. A reader ignores what has another `v`.
 */
import { z } from 'zod';
import { isTenant, MOST_WEIGHT } from '../tenant.ts';
import { amount, token } from '../wire/fields.ts';
import { jsonReader } from '../wire/json-message.ts';
import { SIZES } from '../wire/names.ts';

/** Queues with a door at which something waits or is on the way; of more, those with most. */
export const MOST_DOORS = 64;
/** Projects of a door that are named; the rest is told as one. */
export const MOST_DOOR_PROJECTS = 256;
/** Longer than a message with as many of everything. */
const MOST_BYTES = 4 * 1024 * 1024;

const waiting = z.object({
  project: z.string().refine(isTenant),
  weight: z.number().min(1).max(MOST_WEIGHT),
  waiting: amount,
});

const door = z.object({
  /** Of the queue. */
  slug: token,
  /** Projects of which something waits: the largest first. */
  projects: z.array(waiting).max(MOST_DOOR_PROJECTS),
  /** All other projects together: the sum of their weights, and of what waits. */
  rest: z.object({ weight: amount, waiting: amount }).nullable().default(null),
  /** Requests that are on the queue, or at a worker whose engine has not begun to answer; by size class. */
  onTheWay: z.partialRecord(z.enum(SIZES), amount),
  /** How many of these are begun in a second, by size class. */
  pace: z.partialRecord(z.enum(SIZES), amount),
});
export type DoorOfNode = z.infer<typeof door>;

const doorStatus = z.object({
  v: z.literal(1),
  ingress: token,
  doors: z.array(door).max(MOST_DOORS),
});
export type DoorStatus = z.infer<typeof doorStatus>;

const readAnyStatus = jsonReader(doorStatus, MOST_BYTES);

/** @param from the ingress on whose subject it came: nobody speaks for another one. */
export function readDoorStatus(bytes: Uint8Array, from: string): DoorStatus | null {
  const read = readAnyStatus(bytes);
  return read?.ingress === from ? read : null;
}
