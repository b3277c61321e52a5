// Draws the charts of a report. Runs in the browser, inlined into the page.
/* global document, matchMedia, uPlot, ResizeObserver */

// Okabe and Ito's colours, which people with any kind of colour blindness can tell apart; the dark ones are lighter on
// a dark ground. Dashes tell lines apart where there is no colour at all.
const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#1b1f24'];
const DARK = ['#56b4e9', '#e69f00', '#2fc79a', '#e39cc4', '#f0e442', '#e8eaed'];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 4]];
/** The same in the legend, as far as CSS has them. */
const BORDERS = ['solid', 'dashed', 'dotted', 'dashed', 'dashed', 'dotted'];
const HEIGHT = 240;
const dark = matchMedia('(prefers-color-scheme: dark)');

function clock(seconds) {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = value => String(value).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function figure(value) {
  if (value === null || value === undefined) return '–';
  return value.toLocaleString('en', {
    maximumFractionDigits: Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0,
  });
}

function lines(chart) {
  const colors = dark.matches ? DARK : LIGHT;
  return chart.series.map(({ label }, i) => ({
    label,
    stroke: colors[i % colors.length],
    dash: DASHES[i % DASHES.length],
    width: 2,
    spanGaps: true,
    points: { show: chart.x.length < 40, size: 5 },
    value: (_, value, __, at) => (at === null ? '' : `${figure(value)} ${chart.unit}`),
  }));
}

function options(chart, width) {
  const ink = dark.matches ? '#a3adb8' : '#57606a';
  const grid = { stroke: dark.matches ? '#2b323b' : '#e3e7ec', width: 1 };
  const axis = { stroke: ink, grid, ticks: grid, font: '12px system-ui, sans-serif' };
  return {
    width,
    height: HEIGHT,
    legend: { markers: { dash: (_, i) => BORDERS[(i - 1) % BORDERS.length] ?? 'solid' } },
    cursor: { sync: { key: 'run' } },
    scales: { x: { time: false }, y: { range: (_, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    series: [{ label: 'at', value: (_, value) => (value === null ? '' : clock(value)) }, ...lines(chart)],
    axes: [
      { ...axis, values: (_, splits) => splits.map(clock) },
      { ...axis, size: 84, values: (_, splits) => splits.map(value => `${figure(value)} ${chart.unit}`) },
    ],
  };
}

/** What somebody who cannot see the plot is told. The table below it has every figure. */
function describe(chart) {
  const parts = chart.series.map(({ label, values }) => {
    const known = values.filter(value => value !== null);
    return `${label} from ${figure(Math.min(...known))} to ${figure(Math.max(...known))} ${chart.unit}`;
  });
  return `${chart.title}, line chart over ${clock(chart.x.at(-1) ?? 0)}: ${parts.join('; ')}.`;
}

function draw(chart) {
  const place = document.querySelector(`#${chart.id} .plot`);
  if (place === null) return;
  place.setAttribute('role', 'img');
  place.setAttribute('aria-label', describe(chart));
  const data = [chart.x, ...chart.series.map(({ values }) => values)];
  let plot = null;
  const build = () => {
    plot?.destroy();
    plot = new uPlot(options(chart, place.clientWidth), data, place);
  };
  build();
  dark.addEventListener('change', build);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
}

for (const chart of JSON.parse(document.getElementById('charts').textContent)) draw(chart);
document.documentElement.dataset.drawn = String(document.querySelectorAll('.uplot canvas').length);
