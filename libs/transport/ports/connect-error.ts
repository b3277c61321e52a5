/**
 * A server cannot be used: it does not answer, or it is too old or wrongly configured. The message says what is wrong and
 * never holds a password.
 */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  /** Whether waiting is of no use: what is wrong is a setting, or the server itself. */
  readonly isLasting: boolean;

  constructor(message: string, { isLasting = true } = {}) {
    super(message);
    this.isLasting = isLasting;
  }
}
