/** The imports of a source file of ours. Biome's format makes them regular: each begins a line, and quotes are single. */

/** Imports and re-exports that begin a line, with or without names; dynamic imports anywhere. */
const IMPORT = /^(?:import\s+|(?:import|export)\s[^'"`;=]*?\sfrom\s+)'([^']+)'|\bimport\('([^']+)'\)/dgm;

/** As written, in their order. */
export function importsOf(code: string): string[] {
  return [...code.matchAll(IMPORT)].map(match => match[1] ?? match[2] ?? '');
}

/** Those that are loaded before the code runs: neither types nor dynamic ones. */
export function loadedBy(code: string): string[] {
  return [...code.matchAll(IMPORT)]
    .filter(([statement]) => !/^(?:import|export)\s+type\b/.test(statement))
    .flatMap(match => match[1] ?? []);
}

/** The same code with other specifiers. */
export function replaceImports(code: string, replace: (specifier: string) => string): string {
  let [made, from] = ['', 0];
  for (const { indices } of code.matchAll(IMPORT)) {
    const [start, end] = indices?.[1] ?? indices?.[2] ?? [from, from];
    made += code.slice(from, start) + replace(code.slice(start, end));
    from = end;
  }
  return made + code.slice(from);
}
