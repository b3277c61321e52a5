/** A request the engine refuses with 400. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
  readonly param: string;
  constructor(message: string, param: string) {
    super(message);
    this.param = param;
  }
}
