/** Keys that should be in no repository, by how their issuers write them. */

const PATTERNS: Readonly<Record<string, RegExp>> = {
  'a private key': /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/,
  'an API key (sk-)': /\bsk-[A-Za-z0-9][A-Za-z0-9_-]{23,}/,
  'an AWS key': /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/,
  'an AWS secret': /\baws_?secret_?access_?key["']?\s*[=:]\s*["']?[A-Za-z0-9/+]{40}\b/i,
  'a GitHub token': /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40})/,
  'a GitLab token': /\bglpat-[A-Za-z0-9_-]{20}/,
  'an npm token': /\bnpm_[A-Za-z0-9]{36}\b|:_authToken\s*=\s*[A-Za-z0-9-]{20}/,
  'a Slack token': /\bxox[abprs]-[A-Za-z0-9-]{10,}/,
  'a Google key': /\bAIza[0-9A-Za-z_-]{35}/,
  'a Hugging Face token': /\bhf_[A-Za-z0-9]{34}\b/,
  'a webhook secret': /\bwhsec_[A-Za-z0-9+/]{32,}={0,2}/,
  'a NATS seed': /\bS[UANOCX][A-Z2-7]{56}\b/,
  'a JSON web token': /\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{15,}/,
};

export interface FoundSecret {
  readonly what: string;
  /** From 1. */
  readonly line: number;
}

/** Says where, and never what: this goes to logs of tests. */
export function secretsIn(text: string): FoundSecret[] {
  return Object.entries(PATTERNS).flatMap(([what, pattern]) =>
    [...text.matchAll(new RegExp(pattern, `g${pattern.flags}`))].map(({ index }) => ({
      what,
      line: text.slice(0, index).split('\n').length,
    })),
  );
}
