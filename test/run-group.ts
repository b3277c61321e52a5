/**
 * `run-group.ts FILE…`: runs unit test files one after the other in this process, and sends the result to its parent. They share what
 * they import: with a process for each, most of the time of all went into loading the same modules.
 */
import { runTests } from './test-run.ts';

const result = await runTests({ files: process.argv.slice(2), concurrency: 1, isolation: 'none' });
process.send?.(result, () => process.disconnect());
