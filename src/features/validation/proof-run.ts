// A run that proves or merges: gate after gate into the store, then the judgement. A resumed one skips what is finished.

import type { GateResult, Proof } from '../../domain/proof.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import type { Prover } from '../../ports/repo.ts';
import type { Store } from '../../ports/store.ts';
import type { ToolAssignment } from '../runs/claim.ts';
import { releaseRun } from '../runs/lease-ops.ts';
import { durably } from '../turns/durably.ts';
import { settleHeldOut } from './held-out.ts';
import { settleMerge } from './merging.ts';
import { beginProof, recordGate, settleProof, stallProof } from './proving.ts';
import { settleReplay } from './replay.ts';

interface ProofRunWorld {
  readonly store: Store;
  readonly prover: Prover;
  readonly signal: AbortSignal;
}

/** Drives it to its end. Never throws for what the work or its repository did. */
export async function takeProof(run: ToolAssignment, { store, prover, signal }: ProofRunWorld): Promise<void> {
  const { requestId, step } = run.input.proof ?? { requestId: '', step: 'prove' };
  const held = { runId: run.runId, fence: run.fence, requestId };
  try {
    const work = await durably(store, beginProof, { ...held, step }, signal);
    if (!work) return;
    const order = { repo: work.spec.repo, policy: work.spec.policy, submission: work.submission };
    if (step === 'held-out') {
      if (!work.checks) throw new Error('there are no held-out checks to run');
      const gate = await prover.heldOut(order, work.checks, signal);
      return await durably(store, settleHeldOut, { ...held, gate }, signal);
    }
    if (step === 'merge') {
      const merge = await prover.merge(order, signal);
      return await durably(store, settleMerge, { ...held, ...merge }, signal);
    }
    if (step === 'replay') {
      const { gates } = await prover.prove(order, { known: () => undefined, record: async () => undefined, waivers: work.waivers, signal });
      const hadChecks = work.checks !== null && work.known.some(({ gate }) => gate === 'G8');
      const again = hadChecks && work.checks ? [...gates, await prover.heldOut(order, work.checks, signal)] : gates;
      return await durably(store, settleReplay, { ...held, again }, signal);
    }
    const before = new Map(work.known.map((gate) => [gate.digest, gate]));
    const proof: Proof = await prover.prove(order, {
      waivers: work.waivers,
      known: (digest) => before.get(digest),
      record: async (gate: GateResult) => durably(store, recordGate, { ...held, gate }, signal),
      signal,
    });
    await durably(store, settleProof, { ...held, proof }, signal);
  } catch (error) {
    if (isFault(error, 'lease.stale') || isFault(error, 'store.closed')) return;
    if (signal.aborted && signal.reason === 'stale') return;
    if (signal.aborted && signal.reason === 'drain') return void (await durably(store, releaseRun, { runId: run.runId, fence: run.fence }, undefined));
    await durably(store, stallProof, { ...held, why: signal.aborted ? `the ${step} was stopped (${String(signal.reason)})` : messageOf(error) }, undefined);
  }
}
