// The page of a proof for people: criteria, tests, commits, gates, who signed, and at what isolation.

import { GATES } from '../../domain/proof.ts';
import type { Author } from '../../domain/trust.ts';
import type { ProofPage } from './page.ts';

type Request = ProofPage['requests'][number];

/** As Markdown. */
export function proofText({ task, spec, spent, requests, heldOut }: ProofPage): string {
  const latest = requests.at(-1);
  const unsafe = latest?.isolation === 'none' ? [UNISOLATED, ''] : [];
  const lines = [...unsafe, `# Proof of ${task.name} (${task.project}): ${task.state}`, '', task.title, ''];
  if (!spec) return [...lines, `Nobody has said what it must prove: clawdbot task spec ${task.name}`, ''].join('\n');
  lines.push(
    `Repository ${spec.repo}, branch ${spec.policy.target}, risk ${spec.policy.risk}, ${spec.policy.command ? `tests run with \`${spec.policy.command.argv.join(' ')}\`` : 'no tests: its checks prove it'}`,
    '',
  );
  if (!latest) return [...lines, 'Nothing is submitted.', ''].join('\n');
  lines.push(isolationOf(latest), '', spentText(spent), '', '## Criteria', '');
  for (const { id, text } of spec.criteria) lines.push(`- ${id}: ${text}`, ...(latest.submission.acToTests[id] ?? []).map((test) => `  - test: ${test}`));
  if (heldOut) lines.push('', `Held-out checks by ${nameOf(heldOut.author)}, ${when(heldOut.at)}: ${heldOut.checks.tests.join(', ')}`);
  lines.push(...submitted(latest));
  const earlier = requests.slice(0, -1);
  if (earlier.length > 0) lines.push('', '## Earlier', '');
  for (const { submission, verdicts, openedAt } of earlier) {
    const last = verdicts.at(-1);
    lines.push(`- ${when(openedAt)} ${submission.green.slice(0, 12)}: ${last ? `layer ${last.layer} ${last.word}, ${last.reason}` : 'another took its place'}`);
  }
  return `${lines.join('\n')}\n`;
}

const UNISOLATED = '**Nothing was isolated**: the tests ran with the rights of the gateway. Install bubblewrap (apt install bubblewrap) and submit again.';

function spentText({ usd, tokens, models }: ProofPage['spent']): string {
  if (models.length === 0) return 'No model was asked.';
  return `Its workers and judges spent $${usd.toFixed(4)} and ${tokens} tokens, with ${models.join(', ')}.`;
}

function isolationOf({ isolation }: Request): string {
  if (isolation === null) return 'Not proved yet.';
  return isolation === 'none' ? 'The tests ran with the rights of the gateway.' : `The tests were isolated by ${isolation}.`;
}

function submitted({ submission: { base, red, green }, gates, verdicts, claim, worker, openedAt }: Request): string[] {
  const lines = ['', '## Commits', '', `- base ${base}`, `- RED ${red}`, `- GREEN ${green}`, '', `Submitted ${when(openedAt)} by ${nameOf(worker)}.`];
  if (claim !== '') lines.push('', 'Claimed by its author, and proved by nothing:', '', ...claim.split('\n').map((line) => `> ${line}`));
  lines.push('', '## Gates, run by the gateway', '');
  for (const { gate, result, why, ms } of gates) lines.push(`- ${gate}  ${result}  (${(ms / 1000).toFixed(1)} s) ${GATES[gate]}: ${why}`);
  lines.push('', '## Verdicts', '');
  for (const { layer, word, author, reason, note, commit, at } of verdicts)
    lines.push(`- layer ${layer}: ${word} on ${commit.slice(0, 12)} by ${nameOf(author)}, ${when(at)}${note === null ? '' : ` (${note})`}: ${reason}`);
  return lines;
}

const when = (at: number) => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');

function nameOf({ actor, role, family, model }: Author): string {
  if (actor === 'gateway') return 'the gateway';
  if (family === 'human') return `a human (${actor})`;
  return `${role ?? 'an agent'} (${actor}${family === null ? '' : `, ${model ?? `a model of ${family}`}`})`;
}
