/** What operators do, and who did it: the entry in the audit log is written first, and where it cannot be, nothing is done. */
import { type AuditEntry, DispatchError } from '@penstock/protocol';
import { type Clock, within } from '@penstock/runtime';
import type { AuditLog } from '@penstock/transport';

/** For one entry. */
const LIMIT_MS = 5000;
/** Of a list, in an entry. */
const MOST_SHOWN = 20;

export interface Actor {
  /** Id of an admin key, or `user@host` of a shell. */
  readonly who: string;
  /** Address that it came from. */
  readonly ip?: string;
}

export interface Deed {
  /** As OpenAI's audit log calls it: `project.created`. */
  readonly action: string;
  /** Absent where it is about none. */
  readonly project?: string | null;
  /** Ids. */
  readonly targets: readonly string[];
  /** Fields that were asked for, as the admin API calls them; undefined ones are left out. No secrets. */
  readonly changes?: Readonly<Record<string, unknown>>;
}

export class Deeds {
  readonly #audit: Pick<AuditLog, 'add'>;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(audit: Pick<AuditLog, 'add'>, clock: Pick<Clock, 'now'>) {
    this.#audit = audit;
    this.#clock = clock;
  }

  /** @throws what `act` throws, which is noted as well; DispatchError `store_unavailable` where nothing was done. */
  async by<T>({ who, ip }: Actor, deed: Deed, act: () => Promise<T>): Promise<T> {
    const entry: Omit<AuditEntry, 'at'> = {
      ...{ who, ...(ip === undefined ? {} : { ip }) },
      ...(typeof deed.project === 'string' ? { project: deed.project } : {}),
      ...{ action: deed.action, targets: [...deed.targets], reason: '' },
      ...(deed.changes === undefined ? {} : { changes: shortened(deed.changes) }),
    };
    await this.#note(entry).catch((cause: unknown) => {
      throw new DispatchError('store_unavailable', {
        ...{ cause, message: 'The audit log cannot be written, so nothing was done. Try again.' },
      });
    });
    try {
      return await act();
    } catch (err) {
      const why = err instanceof DispatchError ? err.code : 'internal_error';
      await this.#note({ ...entry, failures: [why] }).catch(() => {});
      throw err;
    }
  }

  #note(entry: Omit<AuditEntry, 'at'>): Promise<void> {
    return within(LIMIT_MS, this.#audit.add({ at: this.#clock.now(), ...entry }));
  }
}

/** Lists of any length must not fill the log. */
function shortened(changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const said = Object.entries(changes).filter(([, value]) => value !== undefined);
  return Object.fromEntries(said.map(([name, value]) => [name, Array.isArray(value) ? fewOf(value) : value]));
}

function fewOf(list: readonly unknown[]): readonly unknown[] {
  if (list.length <= MOST_SHOWN) return list;
  return [...list.slice(0, MOST_SHOWN), `and ${list.length - MOST_SHOWN} more`];
}
