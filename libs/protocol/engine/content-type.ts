/**
 * Content types that clients get. An engine, or whoever answers in its place, chooses the bytes; it does not choose what a browser takes
 * them for.
 */
import { ENDPOINT_TABLE, type Endpoint } from '../wire/endpoints.ts';

/** What is handed on as it is named: answers of endpoints whose answers are bytes. */
const KNOWN =
  /^(?:application\/json|text\/event-stream|text\/plain|text\/vtt|application\/x-subrip|audio\/[\w.+-]{1,40}|image\/(?:png|jpeg|webp|gif))(?:; ?[\w-]{1,20}=[\w.-]{1,20}){0,3}$/i;
const JSON_TYPE = 'application/json';
const UNKNOWN = 'application/octet-stream';

/** Of an engine's answer: JSON is what it has to be, whatever the engine calls it. */
export function answerContentType(endpoint: Endpoint, said: string): string {
  const { answer } = ENDPOINT_TABLE[endpoint];
  return answer === 'bytes' || /^application\/json\b/i.test(said) ? clientContentType(said) : JSON_TYPE;
}

/** Of any answer that another process made. */
export function clientContentType(said: string): string {
  return KNOWN.test(said) ? said : UNKNOWN;
}
