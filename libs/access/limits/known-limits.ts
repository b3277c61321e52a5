/** Limits of projects, for a process that is told the project's id alone. */
import type { Project, ProjectLimits } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';
import { KnownRecords } from '../lookup/known-records.ts';
import { RecordVersion } from '../lookup/record-version.ts';

const MOST = 10_000;
const NONE: ProjectLimits = {};

export interface KnownLimits {
  /** @throws DispatchError `keys_unavailable` where nobody can say. */
  of(project: string): ProjectLimits | Promise<ProjectLimits>;
  /** Call once a second. */
  tick(): void;
}

/** @param graceMs for so long what is known goes on counting while the store is away. */
export function knownLimits(records: ProjectRecords, graceMs: number, clock: Clock): KnownLimits {
  const version = new RecordVersion(records, clock);
  const read = async (id: string) => ({ project: await records.project(id) });
  const known = new KnownRecords<{ project: Project | null }>({
    store: records,
    version,
    read,
    graceMs,
    most: MOST,
  });
  // A project of a configured key is kept nowhere until somebody changes it.
  const limitsIn = (found: { project: Project | null } | null) => found?.project?.limits ?? NONE;
  return {
    of: project => {
      const found = known.get(project);
      return found instanceof Promise ? found.then(limitsIn) : limitsIn(found);
    },
    tick: () => void version.ask(),
  };
}
