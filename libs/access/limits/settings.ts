/** Settings of all processes that let requests through: ingress nodes, and tasks processes for lines of batches. */
import type { TokenPrice } from '@penstock/policy';
import { DURATION_USAGE, LIMITS, type Limits, readDuration } from '@penstock/protocol';
import { readPerModel, settingOf } from '@penstock/runtime';
import { z } from 'zod';
import type { LimitSettings } from './limit-terms.ts';

const USAGE = `use ${LIMITS.filter(name => name !== 'shadow').join('=…, ')}=…, comma-separated`;
const PRICE = /^(\d+(?:\.\d+)?)\/(\d+(?:\.\d+)?)$/;
const PRICE_USAGE =
  'use <model>=<dollars for a million prompt tokens>/<for a million output tokens>, comma-separated; * for all others';

/** `rpm_limit=600,max_budget=50,budget_duration=30d`. @throws TypeError that says how to write it. */
export function parseLimits(text: string): Limits {
  const limits: Record<string, number> = {};
  for (const part of text.split(',').filter(each => each.trim() !== '')) {
    const [name = '', value = ''] = part.split('=').map(each => each.trim());
    if (name === 'shadow' || !LIMITS.some(each => each === name)) throw new TypeError(USAGE);
    const number =
      name === 'budget_duration' ? readDuration(value) : readNumber(value, name === 'max_budget');
    if (number === null) throw new TypeError(name === 'budget_duration' ? DURATION_USAGE : USAGE);
    limits[name] = number;
  }
  return limits;
}

function readNumber(text: string, isMoney: boolean): number | null {
  return (isMoney ? /^\d{1,12}(\.\d{1,6})?$/ : /^\d{1,15}$/).test(text) ? Number(text) : null;
}

/** @throws TypeError that says how to write it. */
function parsePrices(text: string): (slug: string) => TokenPrice | null {
  if (text.trim() === '') return () => null;
  const read = (value: string): TokenPrice | undefined => {
    const [, prompt, output] = PRICE.exec(value) ?? [];
    return prompt === undefined ? undefined : { prompt: Number(prompt), output: Number(output) };
  };
  const ofModel = readPerModel(text, read, PRICE_USAGE);
  return slug => ofModel(slug) ?? null;
}

export const limitSettings = {
  PENSTOCK_LIMITS: settingOf(parseLimits)
    .prefault('')
    .describe(
      'Limits of each project that has no other ones: rpm_limit=600,tpm_limit=100000,rpd_limit=…,max_parallel_requests=20,max_budget=50,budget_duration=30d,max_files=…,max_stored_bytes=…,max_open_batches=…,max_queued_requests=…,max_queued_bytes=…,max_webhook_endpoints=…. Must be the same at all ingress nodes and tasks processes.',
    ),
  PENSTOCK_PRICES: settingOf(parsePrices)
    .prefault('')
    .describe(
      'What max_budget counts: US dollars for a million prompt tokens and for a million output tokens, by model (llama-3.3-70b=0.6/2.4,*=0.1/0.3). Without a price a model costs nothing. Must be the same at all ingress nodes and tasks processes.',
    ),
  PENSTOCK_LIMITS_SHADOW: z
    .enum(['off', 'on'])
    .default('off')
    .describe('on: what limits would refuse is let through, counted and shown by metrics.'),
  PENSTOCK_LIMITS_WITHOUT_REDIS: z
    .enum(['closed', 'open'])
    .default('closed')
    .describe(
      'What becomes of requests of limited projects that Redis does not count within a second: closed refuses them (503), open lets them through uncounted.',
    ),
};

export function limitSettingsOf(config: {
  readonly PENSTOCK_LIMITS: Limits;
  readonly PENSTOCK_PRICES: (slug: string) => TokenPrice | null;
  readonly PENSTOCK_LIMITS_SHADOW: 'off' | 'on';
  readonly PENSTOCK_LIMITS_WITHOUT_REDIS: 'closed' | 'open';
}): LimitSettings {
  return {
    defaults: config.PENSTOCK_LIMITS,
    priceOf: config.PENSTOCK_PRICES,
    isShadow: config.PENSTOCK_LIMITS_SHADOW === 'on',
    passesUncounted: config.PENSTOCK_LIMITS_WITHOUT_REDIS === 'open',
  };
}
