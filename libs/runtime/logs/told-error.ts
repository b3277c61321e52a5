/**
 * What a log says of an error: what it is called, its code, its message in bounds, where it happened, and what caused it. Clients of servers
 * put on an error what they sent (ioredis the arguments of the command, undici and the AWS SDK bodies and requests), and that is prompts
 * and answers. So nothing else of an error is ever written, and of a message not what is known to quote input.
 */

/** Of an error with a code that is bad weather: where in our code it was met says nothing. */
export interface ToldError {
  readonly type: string;
  readonly code?: string | number;
  readonly message: string;
  /** Where it was thrown, innermost call first. Absent where it has a code, which says enough. */
  readonly stack?: string;
  readonly cause?: ToldError;
  /** The first of several, where it stands for them. */
  readonly errors?: readonly ToldError[];
}

const MOST_CHARACTERS = 300;
const MOST_FRAMES = 12;
const MOST_CAUSES = 4;
const MOST_ERRORS = 3;
const CODE = /^[\w.-]{1,64}$/;
const NAME = /^[\w$]{1,64}$/;

/** @returns what is no error as text in the same bounds. */
export function tellError(err: unknown): ToldError | string {
  try {
    return err instanceof Error ? told(err, 0) : bounded(typeof err === 'string' ? err : typeof err);
  } catch {
    // A getter of theirs may throw, and a log line must not.
    return 'an error that cannot be read';
  }
}

function told(err: Error, depth: number): ToldError {
  const { name, cause, errors } = err as Error & { cause?: unknown; errors?: unknown };
  const code = codeOf(err);
  const stack = code === undefined ? framesOf(err.stack) : '';
  return {
    type: NAME.test(name) ? name : 'Error',
    ...(code === undefined ? {} : { code }),
    message: messageOf(err),
    ...(stack === '' ? {} : { stack }),
    ...(depth < MOST_CAUSES && cause instanceof Error ? { cause: told(cause, depth + 1) } : {}),
    ...(depth === 0 && Array.isArray(errors) ? { errors: firstOf(errors) } : {}),
  };
}

function firstOf(errors: readonly unknown[]): ToldError[] {
  return errors
    .slice(0, MOST_ERRORS)
    .flatMap(each => (each instanceof Error ? [told(each, MOST_CAUSES)] : []));
}

function codeOf(err: Error): string | number | undefined {
  const { code } = err as { code?: unknown };
  if (typeof code === 'number') return code;
  return typeof code === 'string' && CODE.test(code) ? code : undefined;
}

/** One line, without what it quotes. */
function messageOf(err: Error): string {
  const issues = (err as { issues?: unknown }).issues;
  // The message of zod's is the list of all issues, as JSON of many lines.
  if (Array.isArray(issues)) return bounded(issues.map(issueOf).join('; '));
  return bounded(withoutInput(err.name, String(err.message)));
}

function issueOf(issue: { code?: unknown; path?: unknown }): string {
  const path = Array.isArray(issue.path) ? issue.path.slice(0, 3).map(String).join('.') : '';
  return `${String(issue.code)} at ${path}`;
}

/** JSON.parse quotes the text around what it cannot read, and Redis the arguments of a command that it does not know. */
function withoutInput(name: string, message: string): string {
  if (name === 'SyntaxError') return message.replace(/(\.\.\.)?".*"(\.\.\.)?/s, '…').replace(/'.*'/s, '…');
  return message.replace(/,? with args beginning with:.*/s, '');
}

/** @param stack begins with the message, which may have lines of its own. */
function framesOf(stack: string | undefined): string {
  const frames = (stack ?? '').split('\n').flatMap(line => {
    const frame = /^\s+at (.{1,200})/.exec(line)?.[1];
    return frame === undefined ? [] : [frame];
  });
  return frames.slice(0, MOST_FRAMES).join('\n');
}

function bounded(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal obeys them
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
}
