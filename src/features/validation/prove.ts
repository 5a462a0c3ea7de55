// The proof of layer 0: gate after gate, each once for its inputs, until one fails or all have passed.

import type { Gate, GateResult, HeldOut, Proof, ProofPolicy, Submission, Waiver } from '../../domain/proof.ts';
import type { Clock } from '../../kit/clock.ts';
import { sha256Hex } from '../../kit/id.ts';
import { canonicalJson } from '../../kit/lines.ts';
import { type GateWorld, gatesFor, heldOut, type Seen, Unreadable } from './gates.ts';

interface ProofWorld extends GateWorld {
  readonly clock: Clock;
  readonly isolation: string;
  /** Gates that an earlier attempt has gone through, by their inputs. */
  readonly known: (digest: string) => GateResult | undefined;
  readonly waivers: readonly Waiver[];
  /** Makes a gate durable as soon as it is there. */
  readonly record: (result: GateResult) => Promise<void>;
}

/** Changes whenever the gates judge differently, so that no older judgement is taken for one of theirs. */
const GATES_VERSION = 1;

/** The hash of everything but the commits that a judgement depends on. */
export function policyHash(policy: ProofPolicy): string {
  return sha256Hex(canonicalJson({ version: GATES_VERSION, policy }));
}

export async function prove({ clock, isolation, known, record, waivers, ...world }: ProofWorld): Promise<Proof> {
  const { submission, policy } = world;
  const gates: GateResult[] = [];
  const head = submission.green;
  for (const [gate, ask] of gatesFor(policy)) {
    world.signal.throwIfAborted();
    const inputs = sha256Hex(canonicalJson({ gate, policy: policyHash(policy), submission: inputsOf(submission), isolation }));
    const before = known(inputs);
    if (before) gates.push(before);
    else {
      const result = waived(await judged(gate, inputs, clock, () => ask(world)), waivers);
      await record(result);
      gates.push(result);
    }
    const last = gates.at(-1);
    if (last?.result === 'fail') return { word: 'refuted', gates, isolation, head };
    if (last?.result === 'unstable') return { word: 'unstable', gates, isolation, head };
  }
  return { word: 'proved', gates, isolation, head };
}

function waived(result: GateResult, waivers: readonly Waiver[]): GateResult {
  const waiver = waivers.find(({ gate }) => gate === result.gate);
  if (!waiver || (result.result !== 'fail' && result.result !== 'unstable')) return result;
  return { ...result, result: 'waived', why: `${result.result}: ${result.why} (waived by ${waiver.actor}: ${waiver.reason})` };
}

/** The gate of the checks that the worker never saw (G8). */
export async function proveHeldOut({ clock, isolation, ...world }: Omit<ProofWorld, 'known' | 'record' | 'waivers'>, checks: HeldOut): Promise<GateResult> {
  const digest = sha256Hex(canonicalJson({ gate: 'G8', policy: policyHash(world.policy), submission: inputsOf(world.submission), isolation, checks }));
  return judged('G8', digest, clock, () => heldOut(world, checks));
}

/** Where there is nothing to read, nothing is proved: that is G5, whichever gate asked. */
async function judged(gate: Gate, digest: string, clock: Clock, ask: () => Promise<Seen>): Promise<GateResult> {
  const since = clock.elapsed();
  const ms = () => Math.round(clock.elapsed() - since);
  try {
    const { result, why } = await ask();
    return { gate, result, why, ms: ms(), digest };
  } catch (error) {
    if (error instanceof Unreadable) return { gate: gate === 'G8' ? gate : 'G5', result: 'fail', why: error.message, ms: ms(), digest };
    throw error;
  }
}

function inputsOf({ base, red, green, acToTests }: Submission) {
  return { base, red, green, acToTests };
}
