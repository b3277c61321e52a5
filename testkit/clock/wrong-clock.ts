/** Loaded before a process of a test (`--import`): its wall clock is wrong, and its monotonic clock is right. */
import { readFileSync } from 'node:fs';

/** How often the file is read that says by how much, ms. */
const READ_MS = 50;
const file = process.env['PENSTOCK_TEST_CLOCK_FILE'];
let aheadMs = Number(process.env['PENSTOCK_TEST_CLOCK_AHEAD_MS'] ?? 0);
if (file !== undefined) {
  const read = () => {
    aheadMs = Number(readFileSync(file, 'utf8'));
  };
  read();
  setInterval(read, READ_MS).unref();
}
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
