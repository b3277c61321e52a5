/** Reads the body of a finished SSE answer. Only its end is parsed: a load generator has no time for more. */

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
}

export interface Ending {
  /** Null when the stream is whole. */
  readonly error: string | null;
  readonly usage: Usage | null;
  /** The stream began with a comment: its headers did not wait for the first token. */
  readonly early: boolean;
}

export function readStream(body: string): Ending {
  const early = body.charAt(0) === ':';
  const failed = /\ndata: {"error":|^data: {"error":/.test(body);
  if (failed) {
    const code = /"code"\s*:\s*"([a-z_]{1,40})"/.exec(body.slice(body.lastIndexOf('data: {"error":')))?.[1];
    return { error: `stream ${code ?? 'error'}`, usage: null, early };
  }
  if (body.indexOf('data: [DONE]') < 0) return { error: 'cut short', usage: null, early };
  const usage = lastUsage(body);
  return { error: usage === null ? 'no usage' : null, usage, early };
}

/** The usage of the last event that has one. */
function lastUsage(body: string): Usage | null {
  const at = body.lastIndexOf('"usage":{');
  if (at < 0) return null;
  const from = body.lastIndexOf('data: ', at) + 'data: '.length;
  const to = body.indexOf('\n', at);
  try {
    return (JSON.parse(body.slice(from, to < 0 ? body.length : to)) as { usage: Usage }).usage;
  } catch {
    return null;
  }
}

export function cachedTokens(usage: Usage): number {
  return usage.prompt_tokens_details?.cached_tokens ?? 0;
}

/** All text of a stream, for those who answer to it. */
export function textOf(body: string): string {
  let text = '';
  for (const line of body.split('\n')) {
    if (line.indexOf('data: {') !== 0) continue;
    const chunk = JSON.parse(line.slice('data: '.length)) as {
      choices?: { delta?: { content?: string | null } }[];
    };
    text += chunk.choices?.[0]?.delta?.content ?? '';
  }
  return text;
}
