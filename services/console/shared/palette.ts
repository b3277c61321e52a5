/**
 * The console's colours: those of Okabe and Ito (2008), which people with any common colour-vision deficiency can tell apart, on a light and
 * a dark ground. Text is neutral; colours are for marks, and never say alone what they say.
 */

export const OKABE_ITO = {
  orange: '#e69f00',
  sky: '#56b4e9',
  green: '#009e73',
  yellow: '#f0e442',
  blue: '#0072b2',
  vermillion: '#d55e00',
  purple: '#cc79a7',
} as const;

export interface Theme {
  readonly ground: string;
  /** Of panels. */
  readonly surface: string;
  readonly text: string;
  /** Of less important words. */
  readonly quiet: string;
  /** Around panels, where nothing depends on seeing it. */
  readonly line: string;
  /** Around marks, whose colour alone may stand out too little. */
  readonly outline: string;
  readonly focus: string;
  /** What is in use; what is free. */
  readonly used: string;
  readonly free: string;
  readonly ok: string;
  readonly warn: string;
  readonly late: string;
  /** Lines of charts, in this order. */
  readonly series: readonly string[];
}

const { orange, sky, green, yellow, blue, vermillion, purple } = OKABE_ITO;

export const LIGHT: Theme = {
  ...{ ground: '#f5f7fa', surface: '#ffffff', text: '#14202e', quiet: '#4a5a6c', line: '#d5dce4' },
  ...{
    outline: '#5b6b7d',
    focus: blue,
    used: blue,
    free: '#e3e9f0',
    ok: green,
    warn: orange,
    late: vermillion,
  },
  series: [blue, vermillion, green, purple],
};

export const DARK: Theme = {
  ...{ ground: '#0b1220', surface: '#141d2d', text: '#e8edf4', quiet: '#a5b3c4', line: '#2a374b' },
  ...{
    outline: '#8697ab',
    focus: sky,
    used: sky,
    free: '#243145',
    ok: green,
    warn: orange,
    late: vermillion,
  },
  series: [sky, orange, yellow, purple],
};

/** Both themes as custom properties. */
export function paletteCss(): string {
  return `:root{color-scheme:light dark;${properties(LIGHT)}}@media (prefers-color-scheme:dark){:root{${properties(DARK)}}}`;
}

function properties({ series, ...colours }: Theme): string {
  const lines = series.map((colour, i) => `--series-${i + 1}:${colour}`);
  return [...Object.entries(colours).map(([name, colour]) => `--${name}:${colour}`), ...lines].join(';');
}
