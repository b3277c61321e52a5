/** Time and one timer. */
export interface BatcherClock {
  /** Monotonic ms. */
  now(): number;
  /** Calls `run` at `time` or soon after; replaces what was scheduled before. */
  wakeAt(time: number, run: () => void): void;
  cancel(): void;
}

/** The process's clock. Timers tick in whole ms and may be late; the batcher's timeline makes up for both. */
export function timerClock(): BatcherClock {
  let timer: NodeJS.Timeout | undefined;
  return {
    now: () => performance.now(),
    wakeAt: (time, run) => {
      clearTimeout(timer);
      timer = setTimeout(run, Math.max(1, Math.ceil(time - performance.now())));
    },
    cancel: () => clearTimeout(timer),
  };
}
