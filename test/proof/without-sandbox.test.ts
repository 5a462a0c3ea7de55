// A machine without bubblewrap: proofs run and say first that nothing was isolated, or do not run where the owner insists; one incident gathers what waits for it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { ask, startJourney } from '../support/journey.ts';
import { settles, specified } from '../support/proof-team.ts';
import { type Cleanup, scratchDir, until } from '../support/scratch.ts';
import { AC, BASE, GREEN, RED, tinyRepo } from '../support/tiny-repo.ts';

/** A PATH with all that a proof needs, and no bubblewrap. */
function pathWithoutSandbox(t: Cleanup): string {
  const bin = scratchDir(t);
  for (const name of ['git', 'sh', 'env']) symlinkSync(execFileSync('which', [name], { encoding: 'utf8' }).trim(), join(bin, name));
  return `${bin}:${dirname(process.execPath)}`;
}

async function submitted(t: Cleanup, mode: 'auto' | 'all') {
  const journey = await startJourney(t, { env: { PATH: pathWithoutSandbox(t) }, config: { agents: { defaults: { sandbox: { mode } } } } });
  const repo = tinyRepo(join(scratchDir(t), 'shop'));
  const base = repo.commit('base', BASE);
  const [red, green] = [repo.commit('red', RED), repo.commit('green', GREEN)];
  repo.git('branch', 'work', green);
  repo.git('reset', '--quiet', '--hard', base);
  await specified(journey.client, repo, 'TASK-1');
  await ask(journey.client, 'tasks.submit', { name: 'TASK-1', base, red, green, acToTests: AC });
  return journey;
}

it('a proof runs, and its first line says that nothing was isolated, and how that can be had', async (t) => {
  const { client, installation } = await submitted(t, 'auto');
  await settles(client, 'TASK-1', 'in_validation');
  const { stdout } = await installation.cli(['proof', 'show', 'TASK-1']);
  assert.match(stdout, /^\*\*Nothing was isolated\*\*[^\n]*apt install bubblewrap[\s\S]*G7 +pass[\s\S]*layer 0: PASS/);
});

it('where the owner insists on a sandbox nothing is judged: one incident says why, and gathers what waits', async (t) => {
  const { client, installation } = await submitted(t, 'all');
  await settles(client, 'TASK-1', 'blocked');
  const list = async () => (await installation.cli(['incident', 'list'])).stdout;
  const [id = ''] = /inc_\w+/.exec(await list()) ?? [];
  assert.match(await list(), /inc_\w+ open[\s\S]*bubblewrap is not installed[\s\S]*blocks TASK-1/);
  assert.match((await installation.cli(['incident', 'resolve', id])).stdout, /is resolved; proved again: TASK-1/);
  await until('the same again', async () => /blocks TASK-1/.test(await list()) && !(await list()).includes(id));
});
