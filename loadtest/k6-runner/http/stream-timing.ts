/**
 * When the tokens of a `text/event-stream` answer arrived: what k6 cannot see, because it reads whole bodies. An event
 * counts when it carries output: a delta with non-empty text (chat and text completions) or a `response.….delta` event.
 */
const EVENT_END = /\r?\n\r?\n/;
const OUTPUT = /"(?:content|reasoning_content|reasoning|refusal|arguments|text)":\s*"(?!")/;
const RESPONSES_EVENT = /"type":\s*"response\./;
const RESPONSES_DELTA = /"type":\s*"response\.[a-z_.]+\.delta"/;

export class StreamTiming {
  firstAt: number | null = null;
  /**
   * Ms between tokens. What arrives in one read shares the wait for it evenly, so that the mean is (last − first) ÷
   * (tokens − 1) also where a server sends several tokens at once.
   */
  readonly gaps: number[] = [];
  #lastAt = 0;
  #rest = '';

  /** @param at monotonic ms of the arrival. */
  read(chunk: Buffer, at: number): void {
    const text = this.#rest + chunk.toString('latin1');
    const events = text.split(EVENT_END);
    this.#rest = events.pop() ?? '';
    let tokens = 0;
    for (const event of events) if (carriesOutput(event)) tokens++;
    if (tokens === 0) return;
    if (this.firstAt === null) {
      this.firstAt = at;
    } else {
      const gap = (at - this.#lastAt) / tokens;
      for (let token = 0; token < tokens; token++) this.gaps.push(gap);
    }
    this.#lastAt = at;
  }
}

export function carriesOutput(event: string): boolean {
  if (RESPONSES_EVENT.test(event)) return RESPONSES_DELTA.test(event);
  return OUTPUT.test(event);
}
