/** One line a second while a run goes on. */
import type { Recorder } from './timeline.ts';

/** Samples are written a moment after they happened: the line shows the second before the last. */
const AGO_S = 2;

export function progressLine(recorder: Recorder, startedAt: number, now: number): string {
  const elapsed = `${Math.round((now - startedAt) / 1000)} s`.padStart(6);
  const moment = recorder.latest(now, AGO_S);
  if (moment === null) return `${elapsed}  starting`;
  const errors = Object.entries(moment.errors).filter(([, rate]) => rate > 0);
  return [
    elapsed,
    `offered ${perSecond(moment.offered)}`,
    `served ${perSecond(moment.served)}`,
    ...(moment.lines > 0 ? [`batch lines ${perSecond(moment.lines)}`] : []),
    `open ${moment.open.toFixed(moment.open < 10 ? 1 : 0).padStart(4)}`,
    `first token p50 ${ms(moment.ttft.p50)} p99 ${ms(moment.ttft.p99)}`,
    `tokens ${perSecond(moment.tokens)}`,
    errors.length === 0 ? 'no errors' : errors.map(([kind, rate]) => `${kind}: ${rate}/s`).join(', '),
  ].join('  ');
}

function perSecond(rate: number): string {
  return `${rate < 100 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en')}/s`.padStart(8);
}

function ms(value: number | null): string {
  return (value === null ? '-' : `${value.toFixed(0)} ms`).padStart(8);
}
