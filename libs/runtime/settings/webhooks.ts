/** What ingress, which checks the URL of a webhook endpoint, and tasks, which posts to it, must agree on. */
import { settingOf } from './notation.ts';

/** @param readAllowList reads the notation; throws an error whose message says what to write. */
export function webhookAllowSetting<T>(readAllowList: (text: string) => T) {
  return {
    PENSTOCK_WEBHOOK_ALLOW: settingOf(readAllowList)
      .prefault('')
      .describe(
        'Hosts, addresses and CIDR ranges, with or without :port, that webhooks may be sent to although they are not public; ! before one takes it out of what the others allow. Must be the same at all ingress nodes and tasks processes.',
      ),
  };
}
