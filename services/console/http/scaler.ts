/** What the scaler of the region decided, as it tells it in Redis. */
import type { Clock } from '@penstock/runtime';
import type { ScalerRecords } from '@penstock/transport';
import type { FastifyInstance } from 'fastify';
import type { ScalerView } from '../shared/scaler-view.ts';
import type { Guard } from './guard.ts';
import { reached } from './reached.ts';

export type ScalerReader = Pick<ScalerRecords, 'list' | 'state'>;

const AWAY = 'What the scaler tells cannot be read now: is Redis there?';
/** On one page, the newest. */
const MOST_DECISIONS = 200;

export function serveScaler(
  app: FastifyInstance,
  guard: Guard,
  records: ScalerReader,
  clock: Pick<Clock, 'now'>,
): void {
  app.get('/api/scaler', async (request, reply) => {
    guard.session(request);
    const [state, decisions] = await reached(
      Promise.all([records.state(), records.list(MOST_DECISIONS)]),
      AWAY,
    );
    const view: ScalerView = {
      state:
        state === null
          ? null
          : {
              ...{ by: state.by, driver: state.driver, pools: state.pools },
              ...(state.trouble === undefined ? {} : { trouble: state.trouble }),
              ageS: Math.max(0, Math.round((clock.now() - state.at) / 1000)),
            },
      decisions: decisions.map(({ trouble, ...entry }) => ({
        ...entry,
        ...(trouble === undefined ? {} : { trouble }),
      })),
    };
    return reply.header('cache-control', 'no-store').send(view);
  });
}
