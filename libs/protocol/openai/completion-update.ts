/** `POST /v1/chat/completions/{id}`: all that can be changed of a stored completion. */
import { z } from 'zod';
import { metadataPairs } from './fields.ts';

export const completionUpdate = z.looseObject({ metadata: metadataPairs.nullable() });
