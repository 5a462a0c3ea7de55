// Checks of work in a clean tree, outside any test runner: a command, a file, the links of a document.

import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import type { ProofCheck } from '../../domain/proof.ts';
import type { CommandResult } from '../../ports/repo.ts';

const SHOWN = 300;

/** Whether a check holds in a tree, and what was seen. `run` runs a command in the sandbox. */
export async function carryOut(
  check: ProofCheck,
  tree: string,
  run: (argv: readonly string[]) => Promise<CommandResult>,
): Promise<{ ok: boolean; seen: string }> {
  if (check.kind === 'file') return lookAt(check, tree);
  if (check.kind === 'link') return followLinks(tree, check.path);
  const { code, stdout, stderr, timedOut } = await run(check.argv);
  if (timedOut) return { ok: false, seen: 'it did not end in time' };
  const said = (stdout.trim() === '' ? stderr : stdout).trim().slice(-SHOWN);
  if (code !== check.expectExit) return { ok: false, seen: `exit code ${code ?? 'none'}, expected ${check.expectExit}${said === '' ? '' : ` (${said})`}` };
  if (check.expectStdout !== undefined && !stdout.includes(check.expectStdout))
    return { ok: false, seen: `the output does not hold "${check.expectStdout}" (${said})` };
  return { ok: true, seen: `exit code ${code}` };
}

/** A plain file inside the tree, or undefined. */
function fileIn(tree: string, path: string): string | undefined {
  const whole = resolve(tree, path);
  if (!whole.startsWith(tree + sep) || !existsSync(whole) || !lstatSync(whole).isFile()) return undefined;
  return realpathSync(whole).startsWith(realpathSync(tree) + sep) ? readFileSync(whole, 'utf8') : undefined;
}

function lookAt({ path, contains, absent = false }: Extract<ProofCheck, { kind: 'file' }>, tree: string): { ok: boolean; seen: string } {
  const text = fileIn(tree, path);
  if (text === undefined) return { ok: absent, seen: `${path} is not there` };
  if (contains === undefined) return { ok: !absent, seen: `${path} is there` };
  const holds = text.includes(contains);
  return { ok: holds !== absent, seen: `${path} ${holds ? 'holds' : 'does not hold'} "${contains.slice(0, 80)}"` };
}

const LINK = /\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\s*\[[^\]]+\]:\s+<?(\S+?)>?\s*$/gm;

/** Links out of the repository are not followed: a proof has no network. */
function followLinks(tree: string, path: string): { ok: boolean; seen: string } {
  const text = fileIn(tree, path);
  if (text === undefined) return { ok: false, seen: `${path} is not there` };
  const plain = text.replace(/```[\s\S]*?```|`[^`\n]*`/g, '');
  const targets = [...plain.matchAll(LINK)].map(([, inline, reference]) => inline ?? reference ?? '');
  const broken: string[] = [];
  for (const target of targets) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith('//')) continue;
    const [file = '', anchor] = target.split('#');
    const inside = file === '' ? path : join(file.startsWith('/') ? '.' : dirname(path), decodeURIComponent(file));
    const whole = resolve(tree, inside.replace(/^\/+/, ''));
    if (!(whole === tree || whole.startsWith(tree + sep)) || !existsSync(whole)) broken.push(target);
    else if (
      anchor !== undefined &&
      anchor !== '' &&
      /\.md$/i.test(inside) &&
      !headingsOf(fileIn(tree, inside) ?? '').has(decodeURIComponent(anchor).toLowerCase())
    )
      broken.push(target);
  }
  return broken.length === 0
    ? { ok: true, seen: `${targets.length} links lead somewhere` }
    : { ok: false, seen: `lead nowhere: ${broken.slice(0, 8).join(', ')}` };
}

/** Anchors of a document, as they are made from its headings. */
function headingsOf(text: string): Set<string> {
  const headings = [...text.replace(/```[\s\S]*?```/g, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
  return new Set(headings);
}
