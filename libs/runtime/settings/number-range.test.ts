import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { numberProblem } from './number-range.ts';

test('a number that cannot be is answered with what can', () => {
  const cases: [setting: z.ZodType, given: string, problem: string | null][] = [
    [
      z.coerce.number().int().min(0).max(65_535).default(80),
      '99999',
      'must be a whole number from 0 to 65535, not 99999',
    ],
    [z.coerce.number().int().min(500).default(1), '10s', 'must be a whole number from 500 on, not 10s'],
    [z.coerce.number().int().min(500).optional(), 'sk-0123456789', 'must be a whole number from 500 on'],
    [z.coerce.number().min(0).max(1).default(0), '1.5', 'must be a number from 0 to 1, not 1.5'],
    [z.coerce.number().positive().max(10).default(1), '0', 'must be a number above 0, up to 10, not 0'],
    [z.coerce.number().int(), '1.5', 'must be a whole number, not 1.5'],
    [z.string().min(3), '1', null],
  ];
  for (const [setting, given, problem] of cases) assert.equal(numberProblem(setting, given), problem);
});
