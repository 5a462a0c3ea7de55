// The log of what happened shows who has written past the gateway.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import Database from 'better-sqlite3';
import { honest, settles, specified, team, told } from '../support/proof-team.ts';

it('who writes past the gateway is found by the log: a forged verdict, a task set done, an event that was changed', async (t) => {
  const { repo, client, installation } = await team(t, (made) => ({ honest: honest(made) }));
  await specified(client, repo, 'TASK-12');
  await told(client, 'builder', 'submit honest for TASK-12');
  await settles(client, 'TASK-12', 'done');
  const verify = () => installation.cli(['log', 'verify']);
  const whole = await verify();
  assert.deepEqual([whole.code, /each chained to the one before[\s\S]*all as they were written/.test(whole.stdout)], [0, true], whole.stdout + whole.stderr);

  await specified(client, repo, 'TASK-13');
  const store = new Database(join(installation.stateDir, 'gateway.sqlite'));
  t.after(() => store.close());
  store.exec(
    "INSERT INTO verdict SELECT 'verd_forged', v.workspace_id, t.id, v.request_id, 3, 'PASS', v.commit_id, v.policy_hash, '[]', v.author, 'looks good', NULL, v.at FROM verdict v, task t WHERE t.name = 'TASK-13' LIMIT 1",
  );
  store.exec("UPDATE task SET state = 'done' WHERE name = 'TASK-13'");
  store.exec("UPDATE verdict SET reason = 'was never asked' WHERE layer = 2");
  const forged = await verify();
  assert.equal(forged.code, 1);
  for (const line of [
    /TASK-13 \(main\) is done in its table, and the log says ready/,
    /verd_forged\) stands in its table, and the gateway never wrote it/,
    /TASK-12 \(main\): the verdict of layer 2 \(\w+\) was changed/,
  ])
    assert.match(forged.stdout, line);
  store.exec("UPDATE event SET body = replace(body, 'TASK-13', 'TASK-99') WHERE body LIKE '%\"TASK-13\"%'");
  assert.match((await verify()).stdout, /BROKEN at event \d+/);
});
