/** What requests may have processes and engines reach: ingress nodes, which check it, and tasks processes, which do or check it as well, must agree. */
import { GUARDED_FIELDS, isGuardedField } from '@penstock/protocol';
import { partsIn, settingOf } from './notation.ts';

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

function parseFields(text: string): ReadonlySet<string> {
  const names = partsIn(text);
  if (names.every(isGuardedField)) return new Set(names);
  throw new TypeError(
    `use some of ${Object.keys(GUARDED_FIELDS).join(', ')}; other fields are passed on without being named`,
  );
}

/** @param readAllowList reads the notation; throws an error whose message says what to write. */
export function engineRulesSettings<T>(readAllowList: (text: string) => T) {
  return {
    PENSTOCK_ENGINE_FIELDS: settingOf(parseFields)
      .prefault('')
      .describe(
        'Fields of requests that are passed to engines although they have them connect, load or run something, such as chat_template or kv_transfer_params; comma-separated. Must be the same at all ingress nodes and tasks processes.',
      ),
    PENSTOCK_MEDIA_ALLOW: settingOf(readAllowList)
      .prefault('')
      .describe(
        'Hosts, addresses and CIDR ranges, with or without :port, from which engines may fetch media that requests name although they are not public. Must be the same at all ingress nodes and tasks processes.',
      ),
  };
}
