// Which Node Penstock runs on. Plain JavaScript that any Node can read, since it is asked on those that are too old.
const [MAJOR, MINOR] = [24, 12];

/** As people write it. */
export const LEAST_NODE = `${MAJOR}.${MINOR}`;

/** @param {string} version */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > MAJOR || (major === MAJOR && minor >= MINOR);
}
