/** What a suite says, in one shape for all of them. */
export interface CaseResult {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** What went wrong, or why it was skipped; empty where it passed without remark. */
  readonly detail: string;
}

export interface SuiteResult {
  readonly suite: string;
  /** Name and version of what judged, or was judged. */
  readonly judge: string;
  /** What its cases are. */
  readonly unit: string;
  readonly cases: readonly CaseResult[];
  /** The judge's own words, where cases do not hold them. */
  readonly log?: string;
}

export type Say = (line: string) => void;

/** Suites that are prepared and run together, with a committed result of their own: `npm run conformance -- NAME`. */
export interface SuiteSet {
  readonly title: string;
  /** How it was run; Markdown, below the title on the page. */
  readonly notes: string;
  /** Only some of its suites are asked for: the committed results of the others stay. */
  readonly partial?: boolean;
  run(say: Say): Promise<readonly SuiteResult[]>;
}

export function countOf(result: SuiteResult, status: CaseResult['status']): number {
  return result.cases.filter(each => each.status === status).length;
}

/** Runs named checks one after another; what a check throws is its failure. */
export async function runChecks(
  checks: Readonly<Record<string, () => Promise<void>>>,
  say: Say,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const [name, check] of Object.entries(checks)) {
    const detail = await check().then(
      () => '',
      (err: Error) => err.message.split('\n').slice(0, 3).join(' ') || err.name,
    );
    const status = detail === '' ? 'passed' : 'failed';
    say(`  ${status}  ${name}${detail && `: ${detail}`}`);
    results.push({ name, status, detail });
  }
  return results;
}

/** Something the user can bring is missing. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError';
}
