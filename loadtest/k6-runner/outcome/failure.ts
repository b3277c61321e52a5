/** Why a run ends with something other than 0. The numbers up to 110 are those that k6 documents. */
export const EXIT = {
  ok: 0,
  thresholdsFailed: 99,
  setupTimeout: 100,
  teardownTimeout: 101,
  invalidConfig: 104,
  externalAbort: 105,
  scriptException: 107,
  scriptAborted: 108,
  markedFailed: 110,
  /** Ours: the run ended, but its figures say nothing: the generator was late, or nothing reached the server. */
  invalidResult: 120,
} as const;

/** Ends a run. The message is one line, for the user. */
export class RunFailure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.name = 'RunFailure';
    this.exitCode = exitCode;
  }
}

/** A script used a part of k6 that this runner does not have. Ends the run even where the script catches it. */
export class UnsupportedApi extends RunFailure {
  constructor(name: string, remedy = 'it is not in this runner; run the script with k6, or do without it') {
    super(EXIT.scriptException, `${name}: ${remedy}`);
    this.name = 'UnsupportedApi';
  }
}

/** One line for anything thrown, with the place in the script where there is one. */
export function describeError(error: unknown): string {
  if (error instanceof RunFailure) return error.message;
  if (!(error instanceof Error)) return String(error);
  const place = placeOf(error);
  return `${error.name}: ${error.message.split('\n')[0]}${place === null ? '' : ` (${place})`}`;
}

/** `script.ts:12` of the topmost frame in the script (its URLs are marked), or of the line a SyntaxError points at. */
function placeOf(error: Error): string | null {
  const match = /([^\s/()]+\.[cm]?[jt]s)\?load=[^\s:)]*:(\d+)/.exec(error.stack ?? '');
  return match === null || match[1] === undefined ? null : `${match[1]}:${match[2]}`;
}
