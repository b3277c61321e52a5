/** What is raced and simulated: a fleet, a workload, and what goes wrong on the way. */
import { agenticTrace } from './agentic.ts';
import { codeTrace } from './azure.ts';
import { generateSystemPrompts } from './generate.ts';
import { conversationTrace } from './mooncake.ts';
import { limitTrace, type Trace, type TraceLimits } from './trace.ts';

/** Something happens to an engine. Times in seconds of the workload. */
export type FleetEvent =
  | { readonly atS: number; readonly kind: 'slowdown'; readonly engine: number; readonly factor: number }
  | { readonly atS: number; readonly kind: 'kill'; readonly engine: number };

export interface Scenario {
  readonly about: string;
  readonly profile: string;
  /** One entry an engine: how many times slower than the profile. */
  readonly fleet: readonly number[];
  readonly events: readonly FleetEvent[];
  /** Multiples of the workload's own arrival rate, light to overload. */
  readonly loads: readonly number[];
  readonly trace: (limits: TraceLimits, seed: number) => Trace;
}

const UNEVEN = [1, 1, 1, 1, 1, 1, 2, 2];
const EVEN = [1, 1, 1, 1, 1, 1, 1, 1];
/** The longest prompt and answer that are replayed, tokens. */
const CAPS = { maxInputTokens: 32_768, maxOutputTokens: 400 };

const conversation = (limits: TraceLimits, seed: number) => conversationTrace({ ...CAPS, ...limits }, seed);
const base = { profile: 'dense-70b-h100x4', events: [], trace: conversation } as const;

export const SCENARIOS = {
  uneven: {
    ...base,
    about: 'chat on eight engines, two at half speed',
    fleet: UNEVEN,
    loads: [0.5, 1.1, 1.5],
  },
  even: { ...base, about: 'chat on eight equal engines', fleet: EVEN, loads: [0.5, 1.1, 1.5] },
  'slow-gpu': {
    ...base,
    about: 'one of eight equal engines is five times slower for a minute',
    fleet: EVEN,
    loads: [1.1],
    events: [
      { atS: 60, kind: 'slowdown', engine: 2, factor: 5 },
      { atS: 120, kind: 'slowdown', engine: 2, factor: 1 },
    ],
  },
  'system-prompt': {
    ...base,
    about: 'twenty-four applications with a long system prompt each',
    fleet: UNEVEN,
    loads: [1, 1.5],
    trace: (limits, seed) => ({
      source: 'generated',
      requests: limitTrace(generateSystemPrompts(seed), { ...CAPS, ...limits }),
    }),
  },
  'azure-code': {
    ...base,
    about: 'code completions in bursts',
    fleet: UNEVEN,
    loads: [1, 2],
    trace: (limits, seed) => codeTrace({ ...CAPS, ...limits }, seed),
  },
  agentic: {
    ...base,
    about: 'conversations of coding agents',
    fleet: UNEVEN,
    loads: [1],
    trace: (limits, seed) => agenticTrace({ ...CAPS, maxInputTokens: 65_536, ...limits }, seed),
  },
  'worker-killed': {
    ...base,
    about: 'chat on eight equal engines, one worker killed in the middle',
    fleet: EVEN,
    loads: [1.1],
    events: [{ atS: 60, kind: 'kill', engine: 2 }],
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;

/** @throws RangeError that lists the known names. */
export function scenarioOf(name: string): Scenario {
  if (!Object.hasOwn(SCENARIOS, name))
    throw new RangeError(`no scenario ${name}; there are ${Object.keys(SCENARIOS).join(', ')}`);
  return SCENARIOS[name as ScenarioName];
}
