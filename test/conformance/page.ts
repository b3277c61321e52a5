/** `docs/conformance.md`, from results. Nothing in it changes from run to run unless a result does. */
import { EXPLANATIONS } from './explanations.ts';
import { type CaseResult, countOf, type SuiteResult, type SuiteSet } from './suite.ts';

/** A set with the result that is committed. */
export interface Results {
  readonly name: string;
  readonly set: Pick<SuiteSet, 'title' | 'notes'>;
  readonly results: readonly SuiteResult[];
}

const INTRO = `# Conformance

What others' tests, engines and clients say, each run against the whole stack. \`npm run conformance -- NAME\` runs one of the sets below,
keeps its result in \`test/conformance/results\` and writes this page; it fails when a failure is not explained here.
`;

export function conformancePage(sets: readonly Results[]): string {
  return [INTRO, ...sets.map(section)].join('\n');
}

function section({ name, set, results }: Results): string {
  const rows = results.map(result => {
    const counts = (['passed', 'failed', 'skipped'] as const).map(status => countOf(result, status));
    return `| ${result.judge} | ${result.unit} | ${counts.join(' | ')} |`;
  });
  return [
    `## ${set.title}`,
    `\`npm run conformance -- ${name}\``,
    '',
    set.notes,
    '',
    '| | counts | passed | failed | skipped |',
    '|---|---|--:|--:|--:|',
    ...rows,
    '',
    ...explained(results),
  ].join('\n');
}

function explained(results: readonly SuiteResult[]): string[] {
  const lines = results.flatMap(result =>
    result.cases
      .filter(isRemarkable(result))
      .map(
        each =>
          `| ${result.suite} | \`${each.name}\` | ${each.status} | ${reasonOf(result, each) ?? each.detail} |`,
      ),
  );
  if (lines.length === 0) return [];
  return [
    'Failed, skipped or passed with a remark:',
    '',
    '| suite | case | | why |',
    '|---|---|---|---|',
    ...lines,
    '',
  ];
}

function isRemarkable(result: SuiteResult) {
  return (each: CaseResult) => each.status !== 'passed' || reasonOf(result, each) !== undefined;
}

function reasonOf({ suite }: SuiteResult, { name }: CaseResult): string | undefined {
  return EXPLANATIONS[suite]?.[name];
}

/** Failures nobody explained, and explanations of what no longer fails or is gone. */
export function unexplained(results: readonly SuiteResult[]): string[] {
  return results.flatMap(result => [
    ...result.cases
      .filter(each => each.status !== 'passed' && reasonOf(result, each) === undefined)
      .map(each => `${result.suite}: ${each.name} ${each.status}, and nobody says why: ${each.detail}`),
    ...Object.keys(EXPLANATIONS[result.suite] ?? {})
      .filter(
        name =>
          !result.cases.some(each => each.name === name && (each.status !== 'passed' || each.detail !== '')),
      )
      .map(name => `${result.suite}: ${name} is explained but passes without a remark`),
  ]);
}
