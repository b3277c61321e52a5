/** One chart: uPlot's canvas, with a legend and a description of its own, since a canvas says nothing to who cannot see it. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from '../base/html.ts';

export interface ChartLine {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  readonly title: string;
  readonly unit: string;
  /** Unix s. */
  readonly x: readonly number[];
  readonly lines: readonly ChartLine[];
  readonly format: (value: number) => string;
}

const HEIGHT = 130;
/** Lines differ by their dashes too. */
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const SYNC = { key: 'now' };
/** The shortest stretch of time that is drawn, s: the first seconds would fill the chart else. */
const LEAST_SPAN_S = 60;
const DARK = window.matchMedia('(prefers-color-scheme: dark)');

export function Chart({ title, unit, x, lines, format }: ChartProps): VNode {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const [isDark, setDark] = useState(DARK.matches);
  useEffect(() => {
    const listen = () => setDark(DARK.matches);
    DARK.addEventListener('change', listen);
    return () => DARK.removeEventListener('change', listen);
  }, []);
  useEffect(() => {
    const { current } = box;
    if (current === null) return;
    const drawn = new uPlot(optionsOf(lines, format, setCursor), [[]], current);
    plot.current = drawn;
    const resize = () => drawn.setSize({ width: Math.max(100, current.clientWidth), height: HEIGHT });
    const watch = new ResizeObserver(resize);
    watch.observe(current);
    return () => {
      watch.disconnect();
      drawn.destroy();
    };
  }, [isDark]);
  useEffect(() => {
    plot.current?.setData([[...x], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData);
  }, [x.at(-1), x.length, isDark]);
  const at = cursor ?? x.length - 1;
  const said = lines.map(({ label, values }) => [label, textOf(values[at], unit, format)] as const);
  return html`
    <figure class="panel chart">
      <figcaption>
        <h2>${title}</h2>
        <ul>${said.map(([label, value], i) => html`<li><${Swatch} at=${i} />${label} <b>${value}</b></li>`)}</ul>
      </figcaption>
      <div class="plot" ref=${box} role="img"
        aria-label=${`${title}, the last minutes. Now: ${said.map(pair => pair.join(' ')).join(', ')}.`}></div>
    </figure>
  `;
}

function textOf(value: number | null | undefined, unit: string, format: (value: number) => string): string {
  return value == null ? '–' : `${format(value)}${unit}`;
}

function Swatch({ at }: { readonly at: number }): VNode {
  return html`
    <svg class=${`swatch series-${at + 1}`} width="22" height="8" aria-hidden="true">
      <line x1="0" y1="4" x2="22" y2="4" stroke-dasharray=${(DASHES[at] ?? []).join(' ')} />
    </svg>
  `;
}

/** Of Unix seconds, here. */
function clockTime(at: number): string {
  return new Date(1000 * at).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  });
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function optionsOf(
  lines: readonly ChartLine[],
  format: (value: number) => string,
  onCursor: (at: number | null) => void,
): uPlot.Options {
  const axis = {
    stroke: colour('--quiet'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  const inside = (plot: uPlot, ticks: number[]) =>
    ticks.map(tick => (tick <= (plot.scales['x']?.max ?? tick) ? tick : null));
  return {
    ...{ width: 300, height: HEIGHT, padding: [8, 26, 0, 0] },
    legend: { show: false },
    cursor: { sync: SYNC, points: { size: 6 }, drag: { x: false, y: false }, y: false },
    scales: {
      x: { time: true, range: (_, min, max) => [Math.min(min, max - LEAST_SPAN_S), max] },
      // Where all is zero, or nothing is known, an axis has to end somewhere.
      y: { range: (_, __, max) => [0, (max > 0 ? max : 1) * 1.1] },
    },
    axes: [
      // uPlot has one tick behind the last second.
      {
        ...{ ...axis, size: 22, space: 80, filter: inside, grid: { ...axis.grid, filter: inside } },
        values: (_, ticks) => ticks.map(tick => (tick === null ? '' : clockTime(tick))),
      },
      { ...axis, size: 52, space: 28, values: (_, ticks) => ticks.map(tick => format(tick)) },
    ],
    series: [
      {},
      ...lines.map(({ label }, i) => ({
        ...{ label, stroke: colour(`--series-${i + 1}`), width: 2, dash: DASHES[i] ?? [] },
        points: { show: false },
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onCursor(cursor.idx ?? null)] },
  };
}
