/** For commands that run for minutes, and rewrite pages, whatever was meant by an option they do not have. */

/** Ends the process where anything was given on the command line. @param instead what can be said, and how. */
export function takeNoArguments(command: string, instead: string): void {
  const [first] = process.argv.slice(2);
  if (first === undefined) return;
  process.stderr.write(`penstock: ${command} takes no options (${first}). ${instead}\n`);
  process.exit(2);
}
