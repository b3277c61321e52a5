/** Parts of messages and of tool outputs, as an engine's chat API has them. */
import { refuseAt } from './fields.ts';

type Json = Record<string, unknown>;
export type ChatPart = Json & { readonly type: string };
export type ChatContent = string | ChatPart[];

/** Parts that are the chat API's own, or an engine's. */
const AS_THEY_ARE = new Set(['image_url', 'input_audio', 'audio_url', 'video_url', 'file']);
const SUPPORTED =
  'expected a part of type input_text, output_text, refusal, input_image, input_file or input_audio with its fields';

/** @param glue between texts that follow one another. @throws DispatchError that names the part. */
export function toContent(content: unknown, at: string, glue: string): ChatContent {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return refuseAt(at, 'expected a string or an array of parts');
  const parts = content.map((part, i) => toPart(part, `${at}[${i}]`));
  return parts.every(part => part.type === 'text') ? parts.map(part => part['text']).join(glue) : parts;
}

function toPart(part: unknown, at: string): ChatPart {
  const { type, ...fields } = (part ?? {}) as Json;
  switch (type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return text(fields['text'], at);
    case 'refusal':
      return text(fields['refusal'], at);
    case 'input_image':
      return toImage(fields, at);
    case 'input_file':
      return toFile(fields, at);
    default:
      if (typeof type === 'string' && AS_THEY_ARE.has(type)) return { type, ...fields };
      return refuseAt(at, SUPPORTED);
  }
}

function text(value: unknown, at: string): ChatPart {
  return typeof value === 'string' ? { type: 'text', text: value } : refuseAt(at, SUPPORTED);
}

function toImage({ image_url: image, detail }: Json, at: string): ChatPart {
  const url = typeof image === 'object' && image !== null ? (image as Json)['url'] : image;
  if (typeof url !== 'string')
    return refuseAt(
      at,
      'give the image in image_url, as a URL or a data URL, since ids of files are not read here',
    );
  return { type: 'image_url', image_url: { url, detail: typeof detail === 'string' ? detail : 'auto' } };
}

const TEXT_FILE = /^data:(?:text\/[\w.+-]+|application\/json)(?:;charset=utf-?8)?;base64,/i;

/** A file of text becomes its text; what else there is, such as PDF, is the engine's to read. */
function toFile({ filename, file_data: data, file_url: url }: Json, at: string): ChatPart {
  const name = typeof filename === 'string' ? filename : null;
  if (typeof data === 'string') {
    const head = TEXT_FILE.exec(data)?.[0];
    if (head === undefined)
      return { type: 'file', file: { ...(name ? { filename: name } : {}), file_data: data } };
    const said = Buffer.from(data.slice(head.length), 'base64').toString('utf8');
    return { type: 'text', text: name === null ? said : `${name}:\n${said}` };
  }
  if (typeof url === 'string')
    return { type: 'file', file: { ...(name ? { filename: name } : {}), file_url: url } };
  return refuseAt(at, 'give the file in file_data, as a data URL, since ids of files are not read here');
}
