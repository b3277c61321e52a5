/** What projects use of their limits, for operators: the admin API and the console. */
import type { LimitCharge } from '@penstock/policy';
import { type Project, RESOURCE_LIMITS, toModelSlug, UNLIMITED } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { LimitLedger, LimitUseRecords, ProjectRecords, ResourceUse } from '@penstock/transport';
import { ALL_MODELS, idleCharges, type LimitSettings } from './limit-terms.ts';
import { limitOf } from './limit-words.ts';

export interface UsedLimit {
  /** As `rpm_limit`. */
  readonly name: string;
  /** Name of a model; null for all together. */
  readonly model: string | null;
  readonly most: number;
  /** In the limit's own unit; above the limit where it is not enforced, or more was needed than thought. */
  readonly used: number;
  readonly isEnforced: boolean;
}

export interface ProjectUse {
  readonly id: string;
  /** Null for one of a configured key that nobody gave a name. */
  readonly name: string | null;
  readonly limits: readonly UsedLimit[];
  /** How often limits refused something today (UTC), by their name. */
  readonly refusedToday: Readonly<Record<string, number>>;
}

export interface LimitUseOptions {
  readonly ledger: Pick<LimitLedger, 'look'>;
  readonly records: Pick<LimitUseRecords, 'latest' | 'refusals' | 'resources'>;
  readonly projects: Pick<ProjectRecords, 'project'>;
  readonly settings: Pick<LimitSettings, 'defaults' | 'isShadow'>;
  /** The model that a name stands for. */
  readonly targetOf: (name: string) => string;
  readonly clock: Pick<Clock, 'now'>;
}

export class LimitUse {
  readonly #o: LimitUseOptions;

  constructor(options: LimitUseOptions) {
    this.#o = options;
  }

  /** Ids of projects whose limits were looked at lately, the latest first. */
  latest(most: number): Promise<string[]> {
    return this.#o.records.latest(most);
  }

  /** In the order of the ids. */
  async of(ids: readonly string[]): Promise<ProjectUse[]> {
    const { records, projects, clock } = this.#o;
    const [kept, refused, found] = await Promise.all([
      records.resources(ids, clock.now()),
      records.refusals(ids, clock.now()),
      Promise.all(ids.map(id => projects.project(id))),
    ]);
    return Promise.all(
      ids.map(async (id, i) => ({
        ...{ id, name: found[i]?.name ?? null, refusedToday: refused[i] ?? {} },
        limits: [
          ...(await this.#ofRequests(id, found[i]?.limits ?? {})),
          ...this.#ofResources(found[i]?.limits ?? {}, kept[i]),
        ],
      })),
    );
  }

  async #ofRequests(project: string, limits: Project['limits']): Promise<UsedLimit[]> {
    const { ledger, settings, targetOf } = this.#o;
    const scopes = [...idleCharges(limits, settings)];
    const all = await Promise.all(
      scopes.map(async ([scope, charges]) => {
        const used = await ledger.look({ project, model: toModelSlug(targetOf(scope)), charges });
        return charges.map((charge, i) => usedLimit(charge, used[i] ?? 0));
      }),
    );
    return all.flat();
  }

  #ofResources(limits: Project['limits'], kept: ResourceUse | undefined): UsedLimit[] {
    const { defaults, isShadow } = this.#o.settings;
    const own = { ...defaults, ...limits[ALL_MODELS] };
    const isEnforced = !isShadow && own['shadow'] !== 1;
    return RESOURCE_LIMITS.flatMap(name => {
      const most = own[name];
      if (most === undefined || most >= UNLIMITED) return [];
      return [{ name, model: null, most, used: kept?.[name] ?? 0, isEnforced }];
    });
  }
}

/** @param used as the ledger has it: of a rate, how far ahead of now it is, ms. */
function usedLimit(charge: LimitCharge, used: number): UsedLimit {
  const { kind, most, periodMs, isEnforced } = charge;
  const { limit, model } = limitOf(charge);
  const amount = kind === 'rate' ? Math.round((used * most) / periodMs) : Number(used.toPrecision(12));
  return {
    ...{ name: limit, model: model === ALL_MODELS ? null : model, most, used: amount, isEnforced },
  };
}

/** The part of its fullest limit that a project uses, 0 where it has none. A limit of nothing is full. */
export function fullestOf({ limits }: Pick<ProjectUse, 'limits'>): number {
  return Math.max(0, ...limits.map(({ most, used }) => (most === 0 ? 1 : used / most)));
}
