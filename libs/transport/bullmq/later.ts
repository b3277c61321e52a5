/** A job for which nothing was done goes back to the queue for a while. */
import { DelayedError, type Job } from 'bullmq';

/** @throws DelayedError, as BullMQ wants it. */
export async function putOff(job: Job, token: string | undefined, delayMs: number): Promise<never> {
  await job.moveToDelayed(Date.now() + Math.ceil(delayMs), token);
  throw new DelayedError();
}
