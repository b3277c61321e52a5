/** A connection that is made when somebody needs it, and tried again where it could not be made. */
export class WhenNeeded<T extends { close(): Promise<void> }> {
  readonly #connect: () => Promise<T>;
  #made: Promise<T> | null = null;

  constructor(connect: () => Promise<T>) {
    this.#connect = connect;
  }

  get(): Promise<T> {
    this.#made ??= this.#connect().catch((err: unknown) => {
      this.#made = null;
      throw err;
    });
    return this.#made;
  }

  async close(): Promise<void> {
    await (await this.#made)?.close();
  }
}
