/**
 * Jobs that a script of BullMQ left half-way, since Redis refused one of its commands and undoes nothing: their data is there, by which they
 * are known, and they are in no list, so nobody runs them, and adding them again changes nothing.
 */
import type { Queue } from 'bullmq';

/** Makes a job that is so one that can be added again. Does nothing to any other. @returns whether the job can be added. */
export async function removeHalfMade(queue: Queue, jobId: string): Promise<boolean> {
  if ((await queue.getJobState(jobId)) !== 'unknown') return false;
  await queue.remove(jobId);
  return true;
}
