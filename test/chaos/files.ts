// A gateway that is killed at one moment between its changes of shared files, and what must hold when the next one has gone on.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectClient, createInstallation, type Installation } from '../support/installation.ts';
import { ask } from '../support/journey.ts';
import { until } from '../support/scratch.ts';
import { drop, everyFile, makeScheduler, namesIn, readJson } from '../support/team.ts';

const PRELOAD = fileURLToPath(new URL('../support/kill-at.mjs', import.meta.url));
const SCENARIO = { name: 'files', rules: [{ text: 'did it' }] };

/** Answers whether there was such a moment: false when all was done before it. */
export async function killAt(dir: string, moment: number): Promise<boolean> {
  const installation = await createInstallation({
    dir,
    scenario: SCENARIO,
    config: {
      agents: {
        list: [
          { id: 'main', default: true },
          { id: 'coordinator', role: 'coordinator' },
        ],
      },
    },
  });
  const root = makeScheduler(installation.workspace);
  const dropped = dropAll(installation.workspace, root);
  try {
    const first = await startWith(installation, moment);
    const client = await connectClient(first.port);
    await ask(client, 'workspace.phase', { parts: ['inbox', 'spawn-queue', 'heartbeats', 'progress'], phase: 'on' }).catch(() => undefined); // it may die of it
    const wasKilled = await Promise.race([
      first.exited.then(() => true),
      isDone(root).then(() => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300))),
    ]);
    await client.close();
    first.child.kill('SIGKILL');
    await first.exited;
    await check(installation, root, dropped);
    return wasKilled;
  } finally {
    await installation.close();
  }
}

function dropAll(workspace: string, root: string): ReadonlyMap<string, string> {
  const message = '{ "id": "m1", "from": "validator", "to": "coordinator", "subject": "once", "content": "read me" }\n';
  const files = new Map([
    [join(root, 'inboxes', 'coordinator', 'a.json'), message],
    [join(root, 'inboxes', 'coordinator', 'copy of a.json'), message],
    [join(root, 'inboxes', 'validator', 'waits.json'), '{"id":"m2","from":"coordinator","subject":"waits","content":"x"}'],
    [join(root, 'inboxes', 'workers', 'broken.json'), '{ "never": '],
    [join(root, 'spawn-queue', 'requests', 'r1.json'), '{ "requestId": "r1", "requestedBy": "task-managers", "spawn": { "label": "p1-1", "task": "do it" } }'],
    [
      join(root, 'spawn-queue', 'requests', 'again.json'),
      '{ "requestId": "r1", "requestedBy": "task-managers", "spawn": { "label": "p1-1", "task": "do it" } }',
    ],
    [join(root, 'progress', 'p1-1.md'), '# notes\n'],
    [join(root, 'task-managers', 'JOBS.md'), '### p1-1: The task\n- Status: pending\n'],
  ]);
  for (const [path, text] of files) drop(path, text);
  return new Map([...files].map(([path, text]) => [path.slice(workspace.length + 1), text]));
}

async function startWith(installation: Installation, moment: number) {
  Object.assign(installation.environment, { NODE_OPTIONS: `--import=${PRELOAD}`, KILL_AT: String(moment) });
  return installation.start();
}

/** As far as files can tell. */
async function isDone(root: string): Promise<void> {
  await until(
    'the files are done',
    () =>
      existsSync(join(root, 'spawn-queue', 'responses', 'r1.json')) &&
      readJson(root, 'spawn-queue', 'responses', 'r1.json').status === 'completed' &&
      namesIn(root, 'spawn-queue', 'processing').length === 0 &&
      namesIn(root, 'inboxes', 'coordinator', 'archive').length >= 2 &&
      namesIn(root, 'quarantine', 'inboxes').length >= 2,
    60_000,
  ).catch(() => undefined); // it was killed, or the check says what is missing
}

async function check(installation: Installation, root: string, dropped: ReadonlyMap<string, string>): Promise<void> {
  const again = await startWith(installation, 0);
  const client = await connectClient(again.port);
  try {
    await ask(client, 'workspace.phase', { parts: ['inbox', 'spawn-queue', 'heartbeats', 'progress'], phase: 'on' });
    await isDone(root);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const mail = async (box: string) => (await ask(client, 'inbox.list', { box, all: true })).messages;
    assert.deepEqual(
      (await mail('coordinator')).filter(({ subject }: { subject: string }) => subject === 'once').map(({ state }: { state: string }) => state),
      ['read'],
      'one message, read once',
    );
    assert.equal((await mail('validator')).filter(({ subject }: { subject: string }) => subject === 'waits').length, 1, 'one that waits');
    assert.equal(
      (await mail('workers')).filter(({ subject }: { subject: string }) => subject.startsWith('A message to you cannot be read')).length,
      1,
      'one notice',
    );
    const { spawns } = await ask(client, 'spawns.list', {});
    assert.equal(spawns.length, 1, 'one child');
    assert.equal(readJson(root, 'spawn-queue', 'responses', 'r1.json').sessionKey, spawns[0].childSessionKey);
    assert.equal(namesIn(root, 'spawn-queue', 'requests').length + namesIn(root, 'spawn-queue', 'processing').length, 0, 'no request is left');
    assert.equal((await ask(client, 'tasks.list', { all: true })).tasks.length, 1, 'one task');
    const texts = [...everyFile(installation.workspace).values()];
    for (const [path, text] of dropped)
      assert.ok(texts.filter((one) => one === text).length >= [...dropped.values()].filter((one) => one === text).length, `the bytes of ${path} are kept`);
  } finally {
    await client.close();
  }
}
