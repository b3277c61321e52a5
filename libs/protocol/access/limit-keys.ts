/** Where the use of limits is counted and told in Redis. */
import { assertToken } from '../wire/token.ts';

/** Redis hash: name of a limit, with that limit where it is a rate → when it is full again (Unix ms), or what is spent of a budget; with `@` behind: in which window that was. */
export function limitsKey(project: string): string {
  return `penstock:limits:${assertToken(project)}`;
}

/** Redis set, sorted by when their places end (Unix ms): the parallel requests of a project, or those of it for a model. */
export function limitLeasesKey(project: string, slug?: string): string {
  const ofProject = `penstock:limit-leases:${assertToken(project)}`;
  return slug === undefined ? ofProject : `${ofProject}:${assertToken(slug)}`;
}

/** Redis set, sorted by when a limit of theirs was looked at last (Unix s): projects that have limits. */
export const LIMITED_PROJECTS_KEY = 'penstock:limited-projects';

/** Redis hash: name of a limit → how often it refused something of the project on that day. @param day of UTC, as `2027-01-31`. */
export function limitRefusalsKey(project: string, day: string): string {
  return `penstock:limit-refusals:${assertToken(project)}:${assertToken(day)}`;
}
