/** An answer that is no success. */
export class HttpError extends Error {
  readonly status: number;

  /** @param message what was wrong, and what to do about it. */
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
