/** The stack that a suite is run against. */
export interface Target {
  /** Without /v1. */
  readonly url: string;
  readonly apiKey: string;
  /** For what a suite leaves behind. */
  readonly dir: string;
}

/** What a suite says, in one shape for all of them. */
export interface CaseResult {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** What went wrong, or why it was skipped; empty where it passed without remark. */
  readonly detail: string;
}

export interface SuiteResult {
  readonly suite: string;
  /** Name and version of what judged. */
  readonly judge: string;
  /** What its cases are. */
  readonly unit: string;
  readonly cases: readonly CaseResult[];
  /** The judge's own words, where cases do not hold them. */
  readonly log?: string;
}

export function countOf(result: SuiteResult, status: CaseResult['status']): number {
  return result.cases.filter(each => each.status === status).length;
}

/** Something the user can bring is missing. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError';
}
