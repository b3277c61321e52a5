/** An answer that is no success. */
export class HttpError extends Error {
  readonly status: number;

  /** @param message what was wrong, and what to do about it. @param cause for the log. */
  constructor(status: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}
