/** What operators can do, and how each thing is done to one target. */

/** @returns nothing where it was done. @throws ActionError where it cannot be; its message says why and what to do instead. */
export type Act = (target: string) => Promise<void>;

/** By name, as `worker.drain`. */
export type Actions = Readonly<Record<string, Act>>;

export class ActionError extends Error {
  override readonly name = 'ActionError';
}
