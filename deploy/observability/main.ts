/** `npm run observability`: writes the alerts and the dashboards from their sources. A test checks that this was done. */
import { writeFileSync } from 'node:fs';
import { DISPATCH } from './dashboards/dispatch.ts';
import { FLEET } from './dashboards/fleet.ts';
import { OVERVIEW } from './dashboards/overview.ts';
import { QUEUES } from './dashboards/queues.ts';
import { SCALING } from './dashboards/scaling.ts';
import { STORED } from './dashboards/stored-work.ts';
import { toGrafana } from './panels.ts';
import { GROUPS, toYaml } from './rules.ts';

/** All of ours. */
export const DASHBOARDS = [OVERVIEW, DISPATCH, FLEET, QUEUES, STORED, SCALING];

/** Path beside this file → what it holds. */
export function observabilityFiles(): Map<string, string> {
  return new Map([
    ['alerts.yml', toYaml(GROUPS)],
    ...DASHBOARDS.map(
      dashboard =>
        [`grafana/${dashboard.name}.json`, `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`] as const,
    ),
  ]);
}

if (import.meta.main)
  for (const [path, text] of observabilityFiles()) writeFileSync(new URL(path, import.meta.url), text);
