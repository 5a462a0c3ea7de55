// What a run waits for once it has begun.

/** Why a run stands still although it has begun. It holds its session, and no slot of a lane. */
export interface Wait {
  readonly for: 'children' | 'reply' | 'approval' | 'budget';
  /** `run:<id>`, `approval:<id>`, `budget:<scope>`. */
  readonly on: readonly string[];
  /** Whether everything it waits for must be settled, or one is enough. */
  readonly all: boolean;
  /** Tool calls of the latest answer that have not begun: the next attempt begins them. */
  readonly calls: readonly string[];
  /** When the first of these calls began to wait, epoch ms. */
  readonly since: number;
  /** Epoch milliseconds after which it goes on anyway. */
  readonly until: number;
}
