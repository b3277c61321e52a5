/** `npm run admin`, `penstock admin`: what operators do from a shell. */
import { adminCommand } from './command.ts';

process.exitCode = await adminCommand(process.argv.slice(2), {
  out: text => process.stdout.write(text),
  err: text => process.stderr.write(text),
});
