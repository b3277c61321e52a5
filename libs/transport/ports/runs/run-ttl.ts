/** How long a run and its log are kept after the run became final, ms. */
export interface RunTtl {
  readonly recordMs: number;
  readonly logMs: number;
}
