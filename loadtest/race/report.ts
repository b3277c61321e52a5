/** The race's results as a page. */
import { SCENARIOS, type ScenarioName } from '../workloads/scenarios.ts';
import { renderTable, SLO, type Summary } from '../workloads/summary.ts';

export interface Run {
  /** Where the requests came from. */
  readonly source: string;
  readonly lateP99Ms: number;
  readonly valid: boolean;
  readonly summary: Summary;
}

export interface RaceResult {
  readonly scenario: string;
  readonly load: number;
  readonly seconds: number;
  readonly speed: number;
  readonly rounds: number;
  /** What a reader must know of a result that is older than the rest of the page. */
  readonly note?: string;
  /** By contender. */
  readonly runs: Readonly<Record<string, readonly Run[]>>;
}

/** Median of each figure over the valid runs; null where there are none. */
function medianOf(runs: readonly Run[]): Summary | null {
  const summaries = runs.filter(run => run.valid).map(run => run.summary);
  const first = summaries[0];
  if (first === undefined) return null;
  const median = (key: keyof Summary) => {
    const sorted = summaries.map(summary => summary[key]).sort((a, b) => a - b);
    const half = sorted.length >> 1;
    const [low = Number.NaN, high = Number.NaN] = [
      sorted[sorted.length % 2 === 1 ? half : half - 1],
      sorted[half],
    ];
    return (low + high) / 2;
  };
  const keys = Object.keys(first) as (keyof Summary)[];
  return Object.fromEntries(keys.map(key => [key, median(key)])) as unknown as Summary;
}

export function renderRace(results: readonly RaceResult[], machine: string): string {
  return `# The race

Written by \`npm run race\` (raw figures: \`loadtest/results/race.json\`). Penstock and SGLang's router 0.3.2 stand in front of
the same simulated engines (dense-70b-h100x4, one process each) and get the same requests at the same moments, open loop,
one contender after the other on one machine: ${machine}. Times are seconds of the engines' clock, counted from when a
request was meant to start. In SLO: first token within ${SLO.ttftS} s and ${SLO.tpotS} s a token after it. Medians over the
rounds; a run that started its requests late is left out. Before each run 160 requests of another kind warm all processes up.

What the machine itself costs counts as many times as the clock is faster: at six times real time 5 ms of a busy core are 30 ms
here, for both sides alike.

${results.map(renderResult).join('\n\n')}
`;
}

function renderResult(result: RaceResult): string {
  const about = SCENARIOS[result.scenario as ScenarioName]?.about ?? '';
  const rows = Object.entries(result.runs).flatMap(([name, runs]): [string, Summary][] => {
    const median = medianOf(runs);
    return median === null ? [] : [[name, median]];
  });
  const sources = new Set(Object.values(result.runs).flatMap(runs => runs.map(run => run.source)));
  const head = `## ${result.scenario}, load ${result.load}`;
  const line = `${about}; requests: ${[...sources].join(', ')}; ${result.seconds} s at ${result.speed} × real time; rounds: ${result.rounds}.`;
  const note = result.note === undefined ? '' : `\n${result.note}`;
  return `${head}\n${line}${note}\n\n${renderTable(rows)}\n${compare(rows)}`;
}

/** Penstock's figures over those of the best of SGLang's policies, figure by figure. */
function compare(rows: readonly (readonly [string, Summary])[]): string {
  const own = rows.find(([name]) => name === 'penstock')?.[1];
  const others = rows.filter(([name]) => name !== 'penstock').map(([, summary]) => summary);
  if (own === undefined || others.length === 0) return '';
  const least = (key: keyof Summary) => Math.min(...others.map(summary => summary[key]));
  const p50 = (own.ttftP50S / least('ttftP50S')).toFixed(2);
  const p99 = (own.ttftP99S / least('ttftP99S')).toFixed(2);
  const slo = (100 * (own.inSlo - Math.max(...others.map(summary => summary.inSlo)))).toFixed(1);
  const hit = (own.hit / Math.max(...others.map(summary => summary.hit), 1e-9)).toFixed(2);
  return `\nAgainst the best SGLang policy of each figure: TTFT p50 × ${p50}, p99 × ${p99}, share in SLO ${slo} points, prefix hits × ${hit}.`;
}
