// Names a process by pid and start time, so that a reused pid is never killed in its place.

import { readFileSync } from 'node:fs';
import { errorCode } from './fault.ts';

/** Start time of a process in clock ticks since boot (field 22 of /proc/<pid>/stat), or '' when it is gone or unknown. */
export function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? '' : (fields[18] ?? ''); // a zombie has ended, whoever still has to collect it
  } catch {
    return ''; // gone, or a system without /proc
  }
}

/** Signals every process of a group. True when there was one. */
export function killGroup(groupId: number, signal: NodeJS.Signals): boolean {
  return signalTo(-groupId, signal);
}

/**
 * Kills what a predecessor left: the process if it is still the same one, and its group. While a group has members,
 * no new process gets its number: with nobody under the pid, a group of that number is the one that was left.
 */
export function killLeftover({ pid, pidStarted }: { readonly pid: number; readonly pidStarted: string }): boolean {
  const startedNow = startTimeOf(pid);
  if (pidStarted === '' || (startedNow !== '' && startedNow !== pidStarted)) return false;
  const hadGroup = killGroup(pid, 'SIGKILL');
  return (startedNow !== '' && signalTo(pid, 'SIGKILL')) || hadGroup;
}

function signalTo(target: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
    return false;
  }
}
