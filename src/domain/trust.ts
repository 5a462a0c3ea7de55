// From submitted work to done: what is recorded with a task, the words of verdicts, and who may give them.

import type { Risk } from './proof.ts';
import { lineOf } from './role.ts';

export const VERDICT_WORDS = ['PASS', 'FAIL', 'UNSTABLE', 'BLOCKED', 'WAIVED'] as const;
export type VerdictWord = (typeof VERDICT_WORDS)[number];

export type RequestState = 'open' | 'proving' | 'proof_failed' | 'awaiting_validator' | 'settled' | 'superseded';

/** What agents of old say in place of a verdict. Whatever is no plain PASS completes nothing. */
export function verdictWord(written: string): VerdictWord {
  const word = written
    .trim()
    .toUpperCase()
    .replace(/[\s-]+/g, '_');
  if ((VERDICT_WORDS as readonly string[]).includes(word) && word !== 'WAIVED') return word as VerdictWord; // looked up
  if (/^(PASSED|APPROVED?|OK|VALIDATED|VERIFIED|ACCEPTED)$/.test(word)) return 'PASS';
  if (/INFRA|BLOCK/.test(word)) return 'BLOCKED';
  return 'FAIL';
}

const MAKERS: readonly (readonly [RegExp, string])[] = [
  [/claude|opus|sonnet|haiku/i, 'anthropic'],
  [/gpt|codex|(^|\/)o\d/i, 'openai'],
  [/gemini|gemma/i, 'google'],
  [/llama/i, 'meta'],
  [/mistral|mixtral|devstral/i, 'mistral'],
  [/qwen/i, 'alibaba'],
  [/deepseek/i, 'deepseek'],
];

/** The maker of a model, whoever serves it. */
export function familyOf({ provider, model }: { readonly provider: string; readonly model: string }): string {
  return MAKERS.find(([name]) => name.test(model))?.[1] ?? provider;
}

/** Somebody who did or judged a piece of work. */
export interface Author {
  readonly actor: string;
  readonly role: string | null;
  readonly runId: string | null;
  readonly sessionKey: string | null;
  /** Maker of the model, or `human`. */
  readonly family: string | null;
  /** The model, as the run's ledger has it. */
  readonly model?: string;
}

export interface VerdictQuestion {
  readonly layer: 2 | 3;
  readonly risk: Risk;
  readonly author: Author;
  readonly worker: Author;
  /** The commit judged, and the one that stands now. */
  readonly commit: string;
  readonly head: string;
  readonly policyHash: string;
  readonly currentPolicyHash: string;
  /** Layer 0 at this commit and policy. */
  readonly isProved: boolean;
  readonly hasLayer2: boolean;
  /** Only one maker of models is configured. */
  readonly isOneFamily: boolean;
}

export type VerdictDecision = { readonly ok: true; readonly note?: string } | { readonly ok: false; readonly rule: string };

/** Separation of duties and sign-off (G11, G12). A human may always judge, and never the work of his own hand alone. */
export function decideVerdict(question: VerdictQuestion): VerdictDecision {
  const { layer, risk, author, worker, commit, head, policyHash, currentPolicyHash, isProved, hasLayer2, isOneFamily } = question;
  const deny = (rule: string): VerdictDecision => ({ ok: false, rule });
  if (!isProved) return deny('layer 0 has not proved this commit');
  if (commit !== head) return deny(`the verdict is for ${commit.slice(0, 12)}, and the work stands at ${head.slice(0, 12)}: a new commit voids it`);
  if (policyHash !== currentPolicyHash) return deny('the policy of the task has changed since the proof: it must be proved again');
  if (layer === 3 && !hasLayer2) return deny('layer 2 has not passed yet');
  const isHuman = author.family === 'human';
  const wanted = layer === 2 ? 'coordinator' : 'validator';
  if (!isHuman && author.role !== wanted)
    return deny(`layer ${layer} is judged by the ${wanted} or a human, not by ${author.role ?? 'an agent without a role'}`);
  if (author.runId !== null && author.runId === worker.runId) return deny('the verdict is of the run that did the work');
  if (author.sessionKey !== null && author.sessionKey === worker.sessionKey) return deny('the verdict is of the session that did the work');
  if (!isHuman && author.role !== null && author.role === worker.role) return deny('the verdict is of the role that did the work');
  if (author.actor === worker.actor) return deny('the verdict is of the one who did the work');
  const isOtherFamily = isHuman || worker.family === 'human' || (author.family !== null && worker.family !== null && author.family !== worker.family);
  if (layer === 3 && risk !== 'low' && !isOtherFamily) {
    if (!isOneFamily)
      return deny(`from medium risk up layer 3 is judged by a model of another maker than ${worker.family ?? 'that of the work, which is not known'}`);
    if (risk === 'high') return deny('with models of one maker alone, work of high risk needs the signature of a human');
    const [judged, worked] = [lineOf(author.model ?? ''), lineOf(worker.model ?? '')];
    if (judged !== undefined && judged === worked)
      return deny(`with models of one maker, work of medium risk is judged by another line than ${worked}: give the validator another model`);
    return { ok: true, note: 'one_family' };
  }
  return { ok: true };
}
