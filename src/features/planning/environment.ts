// What lint must know of the machine: whether a repository and its branch are there, and which programs. It runs nothing.

import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { programOf, type Story, type StoryFacts } from '../../domain/story.ts';

export function factsOf({ repo, target, criteria }: Story, path: string): Omit<StoryFacts, 'unknownStories'> {
  const programs = criteria.flatMap(({ checks }) => checks.flatMap((check) => programOf(check) ?? []));
  return { repo: problemOf(repo, target), missingPrograms: [...new Set(programs)].filter((name) => !isProgram(name, path)) };
}

/** Read from its files: git itself is never run in a folder that agents can write. */
function problemOf(repo: string, target: string): string | undefined {
  if (!isAbsolute(repo)) return `"${repo}" is no absolute path`;
  const home = existsSync(join(repo, '.git')) ? join(repo, '.git') : repo;
  if (existsSync(home) && statSync(home).isFile()) return undefined; // a worktree: its branches lie elsewhere
  if (!existsSync(join(home, 'HEAD'))) return `${repo} is no git repository`;
  const packed = join(home, 'packed-refs');
  const isThere = existsSync(join(home, 'refs', 'heads', target)) || (existsSync(packed) && readFileSync(packed, 'utf8').includes(` refs/heads/${target}\n`));
  return isThere ? undefined : `${repo} has no branch ${target}`;
}

/** A name with a slash lies in the repository, and may only come with the work. */
function isProgram(name: string, path: string): boolean {
  if (name.includes('/')) return !isAbsolute(name) || isExecutable(name);
  return path.split(delimiter).some((folder) => isExecutable(resolve(folder, name)));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
