/** What is compared. */
export interface Load {
  readonly url: string;
  readonly key: string;
  readonly model: string;
  /** One line of JSON for each prompt: `{"text": …}`. */
  readonly promptsFile: string;
  readonly requests: number;
  /** Requests a second, evenly spaced. */
  readonly rate: number;
  /** Fields of every request beside the prompt. */
  readonly extra: Readonly<Record<string, unknown>>;
}

export interface Figures {
  readonly requests: number;
  readonly ttftMeanMs: number;
  readonly ttftP50Ms: number;
  readonly ttftP90Ms: number;
  /** (last token − first token) ÷ (tokens − 1), mean. */
  readonly itlMeanMs: number;
}

export type Compared = Exclude<keyof Figures, 'requests'>;
const COMPARED: readonly Compared[] = ['ttftMeanMs', 'ttftP50Ms', 'ttftP90Ms', 'itlMeanMs'];

/** Mean of each figure over the rounds. */
export function meanOf(rounds: readonly Figures[]): Figures {
  const mean = (name: keyof Figures) => rounds.reduce((sum, round) => sum + round[name], 0) / rounds.length;
  return {
    requests: rounds.reduce((sum, round) => sum + round.requests, 0),
    ttftMeanMs: mean('ttftMeanMs'),
    ttftP50Ms: mean('ttftP50Ms'),
    ttftP90Ms: mean('ttftP90Ms'),
    itlMeanMs: mean('itlMeanMs'),
  };
}

/** (a − b) ÷ b of each figure. */
export function difference(a: Figures, b: Figures): Record<Compared, number> {
  const of = (name: Compared) => (a[name] - b[name]) / b[name];
  return Object.fromEntries(COMPARED.map(name => [name, of(name)])) as Record<Compared, number>;
}
