// One proof without a gateway: a tiny repository, a submission, and what the gates say.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createSandboxPicker } from '../../src/adapters/sandbox/catalog.ts';
import type { GateResult, Proof, ProofPolicy, Submission } from '../../src/domain/proof.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createProver } from '../../src/main/proofs.ts';
import { scratchDir } from './scratch.ts';
import { AC, BASE, type Files, POLICY, type TinyRepo, tinyRepo } from './tiny-repo.ts';

const picked = (await createSandboxPicker(process.env['PATH'] ?? ''))('auto');
if (!picked.ok) throw new Error(picked.refusal);
const { sandbox } = picked;

export interface Case {
  readonly proof: Proof;
  readonly recorded: readonly GateResult[];
}

export async function proofOf(
  t: TestContext,
  make: (repo: TinyRepo) => Partial<Submission>,
  policy: Partial<ProofPolicy> = {},
  { base: files = BASE, registry = 'http://127.0.0.1:9' }: { readonly base?: Files; readonly registry?: string } = {},
): Promise<Case> {
  const dir = scratchDir(t);
  const repo = tinyRepo(join(dir, 'repo'));
  const base = repo.commit('base', files);
  const submission = { base, red: '', green: '', acToTests: AC, ...make(repo) };
  const { prove } = createProver({ stateDir: join(dir, 'state'), sandbox, path: process.env['PATH'] ?? '', registry, clock: systemClock });
  const recorded: GateResult[] = [];
  const proof = await prove(
    { repo: repo.dir, policy: { ...POLICY, ...policy }, submission },
    { waivers: [], known: () => undefined, record: async (result) => void recorded.push(result), signal: new AbortController().signal },
  );
  return { proof, recorded };
}

export function refused({ proof }: Case, gate: string, why: RegExp) {
  const last = proof.gates.at(-1);
  assert.deepEqual([proof.word, last?.gate], ['refuted', gate], JSON.stringify(last));
  assert.match(last?.why ?? '', why);
}
