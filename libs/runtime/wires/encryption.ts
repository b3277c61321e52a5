/** What is kept encrypted, and under which keys. */
import { z } from 'zod';
import { exitBlaming } from '../read-config.ts';
import { settingOf } from '../settings/notation.ts';

/** @param parse reads a list of keys; throws an error whose message says what to write. */
export function workKeysSetting<T>(parse: (text: string, setting: string) => T) {
  return {
    PENSTOCK_WORK_KEYS: settingOf(text => parse(text, 'PENSTOCK_WORK_KEYS'))
      .optional()
      .describe(
        'Keys under which ingress nodes and tasks processes give each worker the key of the request that it runs, one a line as NAME:KEY; the first wraps, those behind it are for messages of before. Give all ingress nodes, workers and tasks processes the same.',
      ),
  };
}

/** @param parse see {@link workKeysSetting}. */
export function encryptionSettings<T>(parse: (text: string, setting: string) => T) {
  return {
    PENSTOCK_ENCRYPTION_KEYS: settingOf(text => parse(text, 'PENSTOCK_ENCRYPTION_KEYS'))
      .optional()
      .describe(
        'Keys that wrap the data keys under which prompts and answers are kept, one a line as NAME:KEY (npm run admin -- encryption new NAME); the first wraps, those behind it unwrap what was wrapped before. Asks for encryption. Give all ingress nodes and tasks processes the same.',
      ),
    ...workKeysSetting(parse),
    PENSTOCK_ENCRYPTION: z
      .enum(['on', 'off'])
      .default('on')
      .describe(
        'off: what is new is kept in the clear although there are keys, which then only open what was encrypted before. Give all ingress nodes and tasks processes the same.',
      ),
    PENSTOCK_ENCRYPT_QUEUE: z
      .enum(['stored', 'all'])
      .default('stored')
      .describe(
        'Whose bodies are encrypted in the queue: those of stored work, or all, also of requests whose clients wait, with their answers on the way to them.',
      ),
  };
}

interface Settings<T> {
  readonly PENSTOCK_ENCRYPTION_KEYS?: T | undefined;
  readonly PENSTOCK_WORK_KEYS?: T | undefined;
  readonly PENSTOCK_ENCRYPTION: 'on' | 'off';
  readonly PENSTOCK_ENCRYPT_QUEUE: 'stored' | 'all';
}

/** As {@link encryptionOf}; ends the process instead. */
export function encryptionOrExit<T>(settings: Settings<T>) {
  try {
    return encryptionOf(settings);
  } catch (err) {
    return exitBlaming('PENSTOCK_ENCRYPTION_KEYS')(err as Error);
  }
}

/** @throws TypeError where one list is there without the other. */
export function encryptionOf<T>(settings: Settings<T>) {
  const keys = settings.PENSTOCK_ENCRYPTION_KEYS ?? null;
  const work = settings.PENSTOCK_WORK_KEYS ?? null;
  if ((keys === null) !== (work === null))
    throw new TypeError('PENSTOCK_ENCRYPTION_KEYS and PENSTOCK_WORK_KEYS belong together: set both or none');
  const isOn = settings.PENSTOCK_ENCRYPTION === 'on';
  return { keys, work, isOn, isAllWork: settings.PENSTOCK_ENCRYPT_QUEUE === 'all' };
}
