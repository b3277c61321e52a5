/** Parts of Grafana dashboards, as far as ours use them. What is not said is Grafana's default. */

/** The Okabe–Ito palette: told apart with any colour vision, on dark and on light. */
export const COLOURS = {
  orange: '#E69F00',
  sky: '#56B4E9',
  green: '#009E73',
  yellow: '#F0E442',
  blue: '#0072B2',
  vermillion: '#D55E00',
  purple: '#CC79A7',
  grey: '#999999',
} as const;
export type Colour = keyof typeof COLOURS;

export type Unit = 's' | 'bytes' | 'percentunit' | 'reqps' | 'short' | 'tokens/s' | 'none';

export interface Query {
  readonly expr: string;
  /** Of each series; `{{label}}` is replaced. */
  readonly legend: string;
  /** Where the legend is one series. */
  readonly colour?: Colour;
  readonly dashed?: boolean;
}

export interface Panel {
  readonly title: string;
  /** What is to be read off it. */
  readonly about: string;
  readonly kind: 'timeseries' | 'stat' | 'table' | 'heatmap';
  readonly unit: Unit;
  /** Of 24 columns. */
  readonly width: number;
  readonly height: number;
  readonly queries: readonly Query[];
  /** From here on the value is a warning; drawn as a line. */
  readonly warnFrom?: number;
  readonly stacked?: boolean;
}

export interface Dashboard {
  /** Of its file. */
  readonly name: string;
  readonly title: string;
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const COLUMNS = 24;
const REF_IDS = 'ABCDEFGH';

/** The JSON that Grafana imports. */
export function toGrafana({ name, title, rows }: Dashboard): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      ...{ id: panels.length + 1, type: 'row', title: row.title, collapsed: false, panels: [] },
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
    });
    let x = 0;
    let tallest = 0;
    for (const panel of row.panels) {
      if (x + panel.width > COLUMNS) {
        y += tallest;
        [x, tallest] = [0, 0];
      }
      panels.push(toPanel(panel, panels.length + 1, { x, y, w: panel.width, h: panel.height }));
      x += panel.width;
      tallest = Math.max(tallest, panel.height);
    }
    y += tallest;
  }
  return {
    ...{ uid: `penstock-${name}`, title: `Penstock: ${title}`, tags: ['penstock'], schemaVersion: 39 },
    ...{ editable: true, graphTooltip: 1, refresh: '30s', time: { from: 'now-1h', to: 'now' } },
    links: [
      { ...{ type: 'dashboards', tags: ['penstock'], asDropdown: false }, title: 'Penstock', keepTime: true },
    ],
    templating: { list: [datasourceVariable(), modelVariable()] },
    panels,
  };
}

function datasourceVariable(): object {
  return { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', hide: 0 };
}

function modelVariable(): object {
  return {
    ...{ name: 'model', label: 'Model', type: 'query', datasource: DATASOURCE, refresh: 2, sort: 1 },
    ...{
      query: 'label_values(penstock_model_workers, model)',
      multi: true,
      includeAll: true,
      allValue: '.*',
    },
    current: { text: 'All', value: '$__all' },
  };
}

function toPanel(panel: Panel, id: number, gridPos: object): object {
  const { title, about: description, kind: type, queries } = panel;
  return {
    ...{ id, type, title, description, gridPos, datasource: DATASOURCE },
    targets: queries.map(({ expr, legend }, i) => ({
      ...{ refId: REF_IDS[i], expr, legendFormat: legend, datasource: DATASOURCE },
      ...(type === 'table' ? { format: 'table', instant: true } : {}),
      ...(type === 'heatmap' ? { format: 'heatmap' } : {}),
      ...(type === 'timeseries' ? { exemplar: true } : {}),
    })),
    fieldConfig: fieldConfigOf(panel),
    options: optionsOf(panel),
  };
}

function optionsOf({ kind }: Panel): object {
  if (kind === 'stat')
    return {
      reduceOptions: { calcs: ['lastNotNull'] },
      colorMode: 'value',
      graphMode: 'area',
      textMode: 'auto',
    };
  if (kind === 'timeseries')
    return { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } };
  return {};
}

function fieldConfigOf({ kind, unit, warnFrom, stacked, queries }: Panel): object {
  const steps: { color: string; value: number | null }[] = [{ color: COLOURS.blue, value: null }];
  if (warnFrom !== undefined) steps.push({ color: COLOURS.vermillion, value: warnFrom });
  const custom = {
    ...{ lineWidth: 2, fillOpacity: stacked ? 40 : 0, showPoints: 'never', spanNulls: false },
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
    thresholdsStyle: { mode: warnFrom === undefined ? 'off' : 'dashed' },
  };
  return {
    defaults: {
      ...{ unit, min: 0, thresholds: { mode: 'absolute', steps } },
      color: { mode: kind === 'stat' ? 'thresholds' : 'palette-classic-by-name' },
      ...(kind === 'timeseries' ? { custom } : {}),
    },
    overrides: queries.flatMap(({ legend, colour, dashed }) =>
      colour === undefined && dashed !== true
        ? []
        : [
            {
              matcher: { id: 'byName', options: legend },
              properties: [
                ...(colour === undefined
                  ? []
                  : [{ id: 'color', value: { mode: 'fixed', fixedColor: COLOURS[colour] } }]),
                // Never by colour alone.
                ...(dashed ? [{ id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } }] : []),
              ],
            },
          ],
    ),
  };
}
