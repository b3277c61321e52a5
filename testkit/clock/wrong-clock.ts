/** Loaded before a process of a test (`--import`): its wall clock is wrong, and its monotonic clock is right. */
const aheadMs = Number(process.env['PENSTOCK_TEST_CLOCK_AHEAD_MS']);
const RightDate = Date;

class WrongDate extends RightDate {
  constructor(...given: ConstructorParameters<DateConstructor> | []) {
    if (given.length === 0) super(WrongDate.now());
    else super(...(given as [number]));
  }

  static override now(): number {
    return RightDate.now() + aheadMs;
  }
}

globalThis.Date = WrongDate as DateConstructor;
