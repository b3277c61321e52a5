/** Refuses what a caller may not ask for. What it may not know of is said to be not there. */
import { mayAsk, mayHaveTier, type Permissions } from '@penstock/access';
import { decideTier } from '@penstock/policy';
import { DispatchError } from '@penstock/protocol';

/** @param tier a checked `service_tier`, or null. @throws DispatchError `missing_scope` */
export function refuseTier(permissions: Permissions, tier: string | null): void {
  if (permissions.scopes === null || mayHaveTier(permissions, decideTier(tier, true).used)) return;
  throw new DispatchError('missing_scope', {
    message:
      'You have insufficient permissions for this operation: the API key may not ask for this service_tier. Use a lower one.',
    param: 'service_tier',
  });
}

/** @param served name of the model that would serve the request. @throws DispatchError `model_not_found` */
export function refuseModel(
  permissions: Permissions,
  served: string,
  targetOf: (name: string) => string,
): void {
  if (mayAsk(permissions, served, targetOf)) return;
  throw new DispatchError('model_not_found', {
    message:
      'The model does not exist or you do not have access to it. GET /v1/models lists those that you may use.',
    param: 'model',
  });
}
