/** Counts what is not plain text: parts of messages, media and JSON. */

import { countText } from './count-text.ts';
import { mediaBytes } from './elided-media.ts';
import type { PromptProfile } from './prompt-profile.ts';

const KIB = 1024;

/** Length of an image in base64 up to which it counts as small, and from which as large: icons; photos that engines scale down. */
const IMAGE = { small: 64 * KIB, large: 512 * KIB } as const;

const LINKED_AUDIO = 500;

/** A part of a message's content. What is in it is the engine's to judge, so everything may be missing. */
export function countPart(part: Readonly<Record<string, unknown>>, into: PromptProfile): void {
  const { type, text } = part;
  if (typeof text === 'string') countText(text, into);
  if (type === 'image_url' || type === 'input_image' || type === 'image') countImage(part, into);
  else if (type === 'input_audio' || type === 'audio_url') into.audio += audioIn(part);
  else if (type === 'video_url') into.videos++;
}

/** KiB of base64; of a link as much as half a minute of speech usually takes. */
function audioIn(part: Readonly<Record<string, unknown>>): number {
  const length = lengthIn(part);
  return length < KIB ? LINKED_AUDIO : length / KIB;
}

function countImage(part: Readonly<Record<string, unknown>>, into: PromptProfile): void {
  const { detail } = (part['image_url'] ?? {}) as { detail?: unknown };
  if (detail === 'low' || part['detail'] === 'low') into.smallImages++;
  else countImageOf(lengthIn(part), into);
}

/** @param length of its base64; a link is shorter than any image. */
function countImageOf(length: number, into: PromptProfile): void {
  if (length < KIB || (length > IMAGE.small && length < IMAGE.large)) into.mediumImages++;
  else if (length <= IMAGE.small) into.smallImages++;
  else into.largeImages++;
}

/** `prompt_embeds`: one tensor in base64, or several. */
export function countEmbeddings(embeds: unknown, into: PromptProfile): void {
  for (const each of Array.isArray(embeds) ? embeds : [embeds]) into.embeddings += lengthIn(each) / KIB;
}

/** Length of the longest text in a part: its data, or the link to it. */
function lengthIn(value: unknown): number {
  if (typeof value === 'string') return mediaBytes(value);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((most, each) => Math.max(most, lengthIn(each)), 0);
}

/** Tools, arguments, and other JSON that templates write into a prompt. The depth is bounded: `parseJson` accepts no deeper body. */
export function countJson(value: unknown, into: PromptProfile): void {
  into.fields++;
  if (typeof value === 'string') return countText(value, into);
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) countJson(item, into);
    return;
  }
  for (const [name, part] of Object.entries(value)) {
    countText(name, into);
    countJson(part, into);
  }
}

/** Inputs of endpoints with shapes of their own: their texts, token ids and images, without the names around them. */
export function countInput(value: unknown, into: PromptProfile, name = ''): void {
  if (typeof value === 'number') into.ids++;
  else if (typeof value === 'string') {
    // `data` is an image in Anthropic's API.
    const length = mediaBytes(value);
    if (name === 'url' || (name === 'data' && length > KIB)) countImageOf(length, into);
    else countText(value, into);
  } else if (Array.isArray(value)) for (const item of value) countInput(item, into);
  else if (typeof value === 'object' && value !== null)
    for (const [key, part] of Object.entries(value)) if (key !== 'type') countInput(part, into, key);
}
