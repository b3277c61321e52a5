/** Server-sent events as both ends need them: whole events are found in bytes without parsing their content. */

const LF = 0x0a;
const CR = 0x0d;

/** Offset just behind the last complete event (blank line) in `bytes`, or 0 when none is complete. */
export function endOfLastEvent(bytes: Buffer): number {
  for (let i = bytes.length - 1; i > 0; i--) {
    if (bytes[i] !== LF) continue;
    if (bytes[i - 1] === LF) return i + 1;
    if (bytes[i - 1] === CR && bytes[i - 2] === LF) return i + 1;
  }
  return 0;
}

/** Number of events in bytes that contain whole events; 1 where lines end with CRLF. Good enough for estimating a length. */
export function countEvents(events: Buffer): number {
  let count = 0;
  for (let at = events.indexOf('\n\n'); at >= 0; at = events.indexOf('\n\n', at + 2)) count++;
  return Math.max(1, count);
}

/** Whether the bytes hold OpenAI's closing `data: [DONE]` event. Matched at a line start only, never inside content. */
export function endsWithDone(events: Buffer): boolean {
  const tail = events.toString('latin1', Math.max(0, events.length - 24));
  return /(^|\n)data: ?\[DONE\]\r?\n\r?\n$/.test(tail);
}

/** The `data:` payloads of whole events, comments left out. */
export function* eventData(events: string): Generator<string> {
  for (const block of events.split(/\r?\n\r?\n/)) {
    const lines = block.split(/\r?\n/).filter(line => line.startsWith('data:'));
    if (lines.length > 0) yield lines.map(line => line.slice(line[5] === ' ' ? 6 : 5)).join('\n');
  }
}
