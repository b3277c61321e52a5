/** Keys and passwords by how they are written: the last thing between them and a log line. */

const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer\s+)[\w.~+/=-]{8,}/gi, '$1…'],
  [/\b(sk-|whsec_)[\w+/=-]{8,}/g, '$1…'],
  // The password of a URL; the user stays.
  [/(\w:\/\/[^\s/:@"]{0,100}):[^\s/@"]{1,300}@/g, '$1:…@'],
];

/** What all of them have somewhere: most lines have none of it. */
const MAY_HAVE = /Bearer|sk-|whsec_|:\/\/[^\s/"]*@/i;

export function withoutSecrets(line: string): string {
  if (!MAY_HAVE.test(line)) return line;
  let out = line;
  for (const [secret, instead] of SECRETS) out = out.replace(secret, instead);
  return out;
}
