/** For commands without options: some run for minutes or overwrite files, so an unknown option must not be ignored. */

/** Ends the process if there is anything on the command line. @param instead how the command is configured. */
export function takeNoArguments(command: string, instead: string): void {
  const [first] = process.argv.slice(2);
  if (first === undefined) return;
  process.stderr.write(`penstock: ${command} takes no options (${first}). ${instead}\n`);
  process.exit(2);
}
