/** This process as others find it, and whether one of the same machine lives. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessPlace {
  readonly host: string;
  readonly pid: number;
  /** Where its pid means something: the start of the machine, and the namespace of pids; '' where that is not known. */
  readonly place: string;
}

export function thisProcess(): ProcessPlace {
  return { host: hostname(), pid: process.pid, place: placeOf() };
}

function placeOf(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** Whether there is no such process any more; false also where that cannot be known from here. */
export function isGone({ place, pid }: ProcessPlace, here: ProcessPlace): boolean {
  if (place === '' || place !== here.place) return false;
  if (pid === here.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
