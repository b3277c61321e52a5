/** Whether a subject matches a filter in which `*` stands for one token and a final `>` for one or more. */
export function matchesFilter(subject: string, filter: string): boolean {
  if (!filter.includes('*') && !filter.endsWith('>')) return subject === filter;
  const tokens = subject.split('.');
  const wanted = filter.split('.');
  if (wanted.at(-1) === '>') {
    const head = wanted.slice(0, -1);
    return tokens.length > head.length && head.every((token, i) => token === '*' || token === tokens[i]);
  }
  return tokens.length === wanted.length && wanted.every((token, i) => token === '*' || token === tokens[i]);
}
