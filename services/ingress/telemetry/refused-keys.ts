/**
 * Refused keys in the audit log: the first of an address and reason within a minute at once, how many more there were when the minute is over.
 * Whoever tries keys must not be able to fill the log, nor the memory of this process.
 */
import type { Clock } from '@penstock/runtime';
import type { AuditLog } from '@penstock/transport';

const WINDOW_MS = 60_000;
/** Told apart within a minute; all others count as one. */
const MOST = 100;
const OTHERS = 'others';

export interface RefusedKey {
  /** Of the connection. */
  readonly ip: string;
  /** Code of the error that the client got. */
  readonly why: string;
  /** Empty where the key was nobody's. */
  readonly project: string;
}

export class RefusedKeys {
  readonly #audit: Pick<AuditLog, 'add' | 'connected'>;
  readonly #clock: Clock;
  #counts = new Map<string, { readonly of: RefusedKey; count: number }>();
  #endsAt = -Infinity;

  constructor(audit: Pick<AuditLog, 'add' | 'connected'>, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
  }

  note(of: RefusedKey): void {
    this.tick();
    const name = `${of.ip} ${of.why} ${of.project}`;
    const known = this.#counts.get(name) ?? (this.#counts.size < MOST ? undefined : this.#counts.get(OTHERS));
    if (known !== undefined) return void known.count++;
    if (this.#counts.size === 0) this.#endsAt = this.#clock.monotonic() + WINDOW_MS;
    const told = this.#counts.size < MOST ? of : { ip: OTHERS, why: OTHERS, project: '' };
    this.#counts.set(told === of ? name : OTHERS, { of: told, count: 0 });
    this.#tell(told, 1);
  }

  /** Call once a second. */
  tick(): void {
    if (this.#counts.size === 0 || this.#clock.monotonic() < this.#endsAt) return;
    const over = this.#counts;
    this.#counts = new Map();
    for (const { of, count } of over.values()) if (count > 0) this.#tell(of, count);
  }

  /** While Redis is away they are in the metrics only: what waited for it would grow. */
  #tell({ ip, why, project }: RefusedKey, count: number): void {
    if (!this.#audit.connected) return;
    this.#audit
      .add({
        ...{ at: this.#clock.now(), who: project === '' ? 'nobody' : project, ip, action: 'key.use' },
        ...{ targets: [], reason: 'refused', failures: [why], count },
        ...(project === '' ? {} : { project }),
      })
      .catch(() => {});
  }
}
