// What is known of processes that a worker started.

/** Told of every process group before its command begins, so that a successor can kill what a dead worker left. */
export interface ProcessLedger {
  readonly note: (pid: number, pidStarted: string, runId: string) => Promise<void>;
  readonly forget: (pid: number, pidStarted: string) => Promise<void>;
}
