/**
 * Does what an operator asks for. Nothing is done without an entry in the audit log, which is written first: where it cannot be
 * written, nothing happens.
 */
import type { Clock, Logger } from '@penstock/runtime';
import type { AuditLog } from '@penstock/transport';
import { z } from 'zod';
import { HttpError } from '../http/http-error.ts';
import { reached } from '../http/reached.ts';
import { ActionError, type Actions } from './action.ts';

const MOST_TARGETS = 200;
const TOO_LATE = 'it has not ended within 5 s, and may be done later: look whether Redis and NATS are there';

const request = z.object({
  action: z.string(),
  targets: z.array(z.string().min(1).max(200)).min(1).max(MOST_TARGETS),
  reason: z.string().trim().min(3).max(500),
});

export interface Operator {
  readonly who: string;
  readonly role: 'admin' | 'viewer';
  /** Address that the request came from. */
  readonly ip: string;
}

export interface ActionResult {
  readonly target: string;
  /** Why it was not done; absent where it was. */
  readonly problem?: string;
}

export interface ActionDeskOptions {
  readonly actions: Actions;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'error' | 'info'>;
}

export class ActionDesk {
  readonly #o: ActionDeskOptions;

  constructor(options: ActionDeskOptions) {
    this.#o = options;
  }

  /** @throws HttpError where nothing was done at all. */
  async act({ who, role, ip }: Operator, body: unknown): Promise<readonly ActionResult[]> {
    if (role !== 'admin') {
      this.refused({ who, ip }, 'console.act', 'this login may only look');
      throw new HttpError(403, 'This login may only look. Log in with a key of PENSTOCK_ADMIN_KEYS to act.');
    }
    const parsed = request.safeParse(body);
    if (!parsed.success)
      throw new HttpError(
        400,
        `Send action, 1 to ${MOST_TARGETS} targets, and a reason of 3 to 500 characters.`,
      );
    const { action, targets, reason } = parsed.data;
    const act = Object.hasOwn(this.#o.actions, action) ? this.#o.actions[action] : undefined;
    if (act === undefined) throw new HttpError(400, 'The console knows no such action.');
    const about = { who, ip, action, targets: [...new Set(targets)], reason };
    await this.#note(about);
    const results: ActionResult[] = [];
    for (const target of about.targets) results.push(await this.#try(act, target));
    const failures = results.flatMap(({ target, problem }) =>
      problem === undefined ? [] : [`${target}: ${problem}`],
    );
    this.#o.log.info({ ...about, failures }, 'an operator acted');
    if (failures.length > 0) await this.#note({ ...about, failures }).catch(() => {});
    return results;
  }

  /** Before somebody is shown what is not everybody's. @throws HttpError 503 where it cannot be written. */
  looks({ who, ip }: Pick<Operator, 'who' | 'ip'>, action: string, target: string): Promise<void> {
    return this.#note({ who, ip, action, targets: [target], reason: '' });
  }

  /** Waits for nothing: a refusal is one whether or not it can be noted. */
  refused({ who, ip }: Pick<Operator, 'who' | 'ip'>, action: string, why: string): void {
    this.#note({ who, ip, action, targets: [], reason: 'refused', failures: [why] }).catch(() => {});
  }

  async #note(about: Omit<Parameters<AuditLog['add']>[0], 'at'>): Promise<void> {
    const { audit, clock, log } = this.#o;
    const added = audit.add({ at: clock.now(), ...about });
    added.catch((err: unknown) => log.error({ err }, 'the audit log cannot be written'));
    await reached(added, 'The audit log cannot be written, so nothing was done. Is Redis there?');
  }

  /** Never rejects. */
  async #try(act: (target: string) => Promise<void>, target: string): Promise<ActionResult> {
    const outcome = act(target).then(
      () => ({ target }),
      (err: unknown) => ({ target, problem: this.#problemOf(err, target) }),
    );
    return reached(outcome, TOO_LATE).catch((err: Error) => ({ target, problem: err.message }));
  }

  #problemOf(err: unknown, target: string): string {
    if (err instanceof ActionError) return err.message;
    this.#o.log.error({ err, target }, 'an action failed');
    return 'it failed; the log of the console says more';
  }
}
