/** `npm run check`: lint, format and types. Seconds. */
import { checks, runStages } from './stages.ts';

process.exit((await runStages(checks())) ? 0 : 1);
