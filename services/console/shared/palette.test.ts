/** Contrast by WCAG 2.2; distance by CIEDE2000, as people with each of the three colour-vision deficiencies see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  differenceCiede2000,
  filterDeficiencyDeuter,
  filterDeficiencyProt,
  filterDeficiencyTrit,
  parse,
  wcagContrast,
} from 'culori';
import { DARK, LIGHT, OKABE_ITO, paletteCss, type Theme } from './palette.ts';

/** @throws for what is no colour. */
function colourOf(text: string) {
  return parse(text) ?? assert.fail(text);
}

const THEMES = { light: LIGHT, dark: DARK };
const SIGHTS = {
  usual: (colour: string) => colourOf(colour),
  protanopia: (colour: string) => filterDeficiencyProt(1)(colourOf(colour)),
  deuteranopia: (colour: string) => filterDeficiencyDeuter(1)(colourOf(colour)),
  tritanopia: (colour: string) => filterDeficiencyTrit(1)(colourOf(colour)),
};
/** Colours closer than this are hard to tell apart in small marks. */
const LEAST_DISTANCE = 10;

function everyTheme(check: (theme: Theme, name: string) => void): void {
  for (const [name, theme] of Object.entries(THEMES)) check(theme, name);
}

test('text has a contrast of 4.5, less important words too, on every ground', () =>
  everyTheme((theme, name) => {
    for (const ground of [theme.ground, theme.surface, theme.free])
      for (const text of [theme.text, theme.quiet])
        assert.ok(wcagContrast(text, ground) >= 4.5, `${name}: ${text} on ${ground}`);
  }));

test('outlines, the focus ring, lines of charts and what is in use have a contrast of 3', () =>
  everyTheme((theme, name) => {
    for (const ground of [theme.ground, theme.surface])
      for (const mark of [theme.outline, theme.focus, theme.used])
        assert.ok(wcagContrast(mark, ground) >= 3, `${name}: ${mark} on ${ground}`);
    for (const mark of theme.series)
      assert.ok(wcagContrast(mark, theme.surface) >= 3, `${name}: ${mark} in a chart`);
    assert.ok(wcagContrast(theme.used, theme.free) >= 3, `${name}: used beside free`);
  }));

test('colours that are seen together can be told apart with any colour vision', () =>
  everyTheme((theme, name) => {
    for (const together of [theme.series, [theme.ok, theme.warn, theme.late]])
      for (const [sight, see] of Object.entries(SIGHTS))
        for (const [i, one] of together.entries())
          for (const other of together.slice(i + 1)) {
            const distance = differenceCiede2000()(see(one), see(other));
            assert.ok(distance >= LEAST_DISTANCE, `${name}, ${sight}: ${one} and ${other}: ${distance}`);
          }
  }));

test('marks are of the palette of Okabe and Ito', () =>
  everyTheme(({ series, ok, warn, late, used, focus }) => {
    for (const colour of [...series, ok, warn, late, used, focus])
      assert.ok(Object.values<string>(OKABE_ITO).includes(colour), colour);
  }));

test('the style sheet has every colour of both themes', () => {
  const css = paletteCss();
  everyTheme(({ series, ...colours }) => {
    for (const colour of [...series, ...Object.values(colours)]) assert.ok(css.includes(colour), colour);
  });
});
