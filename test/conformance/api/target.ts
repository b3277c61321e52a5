/** The stack that a suite is run against. */
export interface Target {
  /** Without /v1. */
  readonly url: string;
  readonly apiKey: string;
  /** For what a suite leaves behind. */
  readonly dir: string;
}
