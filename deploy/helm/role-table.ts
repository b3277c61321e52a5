/** What each role may do at the chart's own servers, as its templates read it: a user's region and shards are values, so their places are marked. */
import { natsPermissions, ROLES, redisPermissions } from '@penstock/transport/roles';

/** Stands for the region while the names are made; no name of ours has it. */
const REGION = 'region-of-the-release';
/** Names of streams end in the shard: those of each are written once. */
const SHARD = new RegExp(`_${REGION}_0\\b`, 'g');

export function roleTable(): string {
  const roles = ROLES.map(role => {
    const member = { role, user: role, region: REGION, shards: 1, worker: null };
    const { publish, subscribe, answers } = natsPermissions(member);
    const nats = { publish: publish.map(marked), subscribe: subscribe.map(marked), answers };
    return [role, { nats, redis: marked(redisPermissions(member)) }];
  });
  return `${JSON.stringify(Object.fromEntries(roles), null, 2)}\n`;
}

function marked(text: string): string {
  return text.replace(SHARD, '_{region}_{shard}').replaceAll(REGION, '{region}');
}
