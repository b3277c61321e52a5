/** Calls to an engine, directly and through the stack. */
import { API_KEY, type Stack } from '../../../testkit/stack.ts';

/** The same words each time: nothing is sampled. */
export function chat(content: string, extra: object = {}): object {
  return { model: 'tiny', messages: [{ role: 'user', content }], temperature: 0, ignore_eos: true, ...extra };
}

/** A GET where there is no body. */
export function postTo(
  url: string,
  path: string,
  body: object | undefined,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...init,
    headers: { 'content-type': 'application/json', ...init.headers },
  });
}

export function throughStack({ url }: Stack) {
  return (path: string, body: object | undefined, init: RequestInit = {}) =>
    postTo(url, path, body, { ...init, headers: { authorization: `Bearer ${API_KEY}`, ...init.headers } });
}

export interface ReadEvents {
  text: string;
  readonly finishReasons: string[];
  usage: { readonly completion_tokens: number } | undefined;
  error: { readonly code: string; readonly message: string } | undefined;
  done: boolean;
}

interface Chunk {
  readonly choices?: { readonly delta: { readonly content?: string }; readonly finish_reason?: string }[];
  readonly usage?: { readonly completion_tokens: number };
  readonly error?: { readonly code: string; readonly message: string };
}

/** Reads a chat stream to its end. @param onText told of the text so far after each piece. */
export async function readEvents(answer: Response, onText?: (text: string) => void): Promise<ReadEvents> {
  const read: ReadEvents = { text: '', finishReasons: [], usage: undefined, error: undefined, done: false };
  let rest = '';
  for await (const piece of (answer.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream(),
  )) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter(each => each.startsWith('data: '))) takeEvent(read, line.slice(6));
    onText?.(read.text);
  }
  return read;
}

function takeEvent(read: ReadEvents, data: string): void {
  if (data === '[DONE]') {
    read.done = true;
    return;
  }
  const chunk = JSON.parse(data) as Chunk;
  const choice = chunk.choices?.[0];
  read.text += choice?.delta.content ?? '';
  if (choice?.finish_reason) read.finishReasons.push(choice.finish_reason);
  read.usage = chunk.usage ?? read.usage;
  read.error = chunk.error ?? read.error;
}
