// Names a process by pid and start time, so that a reused pid is never killed in its place.

import { readFileSync } from 'node:fs';
import { errorCode } from './fault.ts';

/** Start time of a process in clock ticks since boot (field 22 of /proc/<pid>/stat), or '' when it is gone or unknown. */
export function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return ''; // gone, or a system without /proc
  }
}

/** Kills the process group, or failing that the process. True when something was there to kill. */
export function killGroup(pid: number, signal: NodeJS.Signals): boolean {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return true;
    } catch (error) {
      if (errorCode(error) !== 'ESRCH') throw error;
    }
  }
  return false;
}

/** Kills what a predecessor left, if it is still the same process. */
export function killLeftover({ pid, pidStarted }: { readonly pid: number; readonly pidStarted: string }): boolean {
  return pidStarted !== '' && startTimeOf(pid) === pidStarted && killGroup(pid, 'SIGKILL');
}
