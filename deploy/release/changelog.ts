/** CHANGELOG.md: a section for each version below `## Unreleased`, which collects what comes next. */

const UNRELEASED = '## Unreleased';

/** What is written below a heading, without it; null where there is no such section. */
function bodyOf(text: string, isHeading: (line: string) => boolean): string | null {
  const lines = text.split('\n');
  const start = lines.findIndex(isHeading);
  if (start < 0) return null;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex(line => line.startsWith('## '));
  return rest
    .slice(0, end < 0 ? rest.length : end)
    .join('\n')
    .trim();
}

const isOf = (version: string) => (line: string) =>
  line === `## ${version}` || line.startsWith(`## ${version} `);

/** What the version brings: its section, else what is unreleased; empty where neither says anything. */
export function notesOf(text: string, version: string): string {
  return bodyOf(text, isOf(version)) ?? bodyOf(text, line => line === UNRELEASED) ?? '';
}

/** The same text with what was unreleased as the section of the version; unchanged where it has one. @param date ISO, of the day. */
export function cutSection(text: string, version: string, date: string): string {
  if (bodyOf(text, isOf(version)) !== null) return text;
  return text.replace(`${UNRELEASED}\n`, `${UNRELEASED}\n\n## ${version} (${date})\n`);
}
