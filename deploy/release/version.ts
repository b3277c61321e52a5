/** Versions by Semantic Versioning, without build metadata: `1.2.3`, `1.2.3-rc.1`. */
const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;
const TAG = /^v(.+)$/;

export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/** Those that tags of this project name, the latest last. Other tags are left out. */
export function releasedVersions(tags: readonly string[]): string[] {
  return tags
    .map(tag => TAG.exec(tag)?.[1] ?? '')
    .filter(isVersion)
    .sort(compareVersions);
}

/** @returns below 0 where `a` is the earlier one. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  const numbers = left.numbers.map((part, i) => part - (right.numbers[i] ?? 0)).find(Boolean);
  if (numbers !== undefined) return numbers;
  // A version comes after its own candidates.
  if (left.candidate === '' || right.candidate === '')
    return Number(left.candidate === '') - Number(right.candidate === '');
  return left.candidate.localeCompare(right.candidate, 'en', { numeric: true });
}

function partsOf(version: string): { numbers: number[]; candidate: string } {
  const [, major, minor, patch, candidate = ''] = VERSION.exec(version) ?? [];
  return { numbers: [major, minor, patch].map(Number), candidate };
}
