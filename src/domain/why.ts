// Why something stands where it stands, as it is answered.

export interface Why {
  readonly kind: 'run' | 'spawn' | 'session' | 'job' | 'task' | 'message';
  readonly id: string;
  readonly name: string;
  readonly state: string;
  /** Whose move it is. */
  readonly owner: string;
  /** What it waits for; null when it waits for nothing. */
  readonly waitingFor: string | null;
  /** Since when, epoch ms. */
  readonly since: number | null;
  readonly lastProgress: { readonly what: string; readonly at: number } | null;
  /** What the gateway does next by itself, and when at the latest, epoch ms. */
  readonly next: { readonly action: string; readonly at: number | null } | null;
  /** The same for what it waits for. */
  readonly because: readonly Why[];
}
