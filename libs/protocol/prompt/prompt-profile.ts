/**
 * What a prompt is made of, counted so that its tokens can be estimated: a token is eight characters where one is repeated, four of
 * English, one and a half of base64 and one of Chinese. How many tokens each unit makes is learned elsewhere, here they are only counted.
 */

/** Units of each kind. Long texts are sampled, so a number need not be whole. */
export interface PromptProfile {
  /** Latin letters without marks. */
  letters: number;
  /** Letters that take two bytes in UTF-8: accented Latin, Greek, Cyrillic, Hebrew, Arabic. */
  alphabet: number;
  /** Letters and signs of scripts that take three bytes each: Devanagari, Bengali, Tamil, Thai, Georgian and others. */
  abugida: number;
  /** Chinese characters, kana, hangul and their punctuation; the halves of emoji. */
  cjk: number;
  digits: number;
  /** Punctuation, line breaks and symbols. */
  symbols: number;
  /** Characters of long runs without a word in them: base64, hex, UUIDs. */
  dense: number;
  /** From the fourth of equal characters in a row, of spaces from the second. */
  repeated: number;
  /** Values in JSON, each with the quotes, colon and comma around it. */
  fields: number;
  /** Messages, for what the chat template puts around each. */
  messages: number;
  smallImages: number;
  /** Also those whose size is not known. */
  mediumImages: number;
  largeImages: number;
  /** KiB of audio, in base64. */
  audio: number;
  videos: number;
  /** KiB of prompt embeddings, in base64. */
  embeddings: number;
  /** Token ids. */
  ids: number;
}

export function emptyProfile(): PromptProfile {
  return {
    letters: 0,
    alphabet: 0,
    abugida: 0,
    cjk: 0,
    digits: 0,
    symbols: 0,
    dense: 0,
    repeated: 0,
    fields: 0,
    messages: 0,
    smallImages: 0,
    mediumImages: 0,
    largeImages: 0,
    audio: 0,
    videos: 0,
    embeddings: 0,
    ids: 0,
  };
}
