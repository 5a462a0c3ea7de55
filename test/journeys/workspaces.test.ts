// Several workspaces under one gateway: whoever enters one of them finds nothing of the others, by any method.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { connect } from '../../src/doors/cli/client.ts';
import { protocolMethods } from '../../src/doors/protocol3/methods.ts';
import { methods } from '../../src/features/catalog.ts';
import { createInstallation, type TestClient, TOKEN } from '../support/installation.ts';
import { ask, order, textOf } from '../support/journey.ts';
import { scratchDir, until } from '../support/scratch.ts';

const ACME_TOKEN = 'acme-token-0123456789abcdefghij';
const scenario = {
  name: 'workspaces',
  rules: [
    { when: { user: 'where', step: 0 }, tools: [{ name: 'exec', input: { command: 'pwd' } }] },
    { when: { user: 'read (\\S+)', step: 0 }, tools: [{ name: 'read', input: { path: '{{user.1}}' } }] },
    { when: { user: 'delegate', step: 0 }, tools: [{ name: 'sessions_spawn', input: { task: 'a confidential task', label: 'confidential-child' } }] },
    { when: { result: '([\\s\\S]*)' }, text: 'it says {{result.1}}' },
    { when: { user: 'a confidential task' }, text: 'a confidential finding' },
    { text: 'a plain answer' },
  ],
};

async function twoWorkspaces(t: TestContext) {
  const dir = scratchDir(t);
  const installation = await createInstallation({ dir, scenario, config: { workspaces: { acme: {} } } });
  t.after(installation.close);
  const acmeDir = join(installation.stateDir, 'workspaces', 'acme');
  mkdirSync(acmeDir, { recursive: true });
  const acme = {
    gateway: { auth: { mode: 'token', token: ACME_TOKEN }, drainSeconds: 1 },
    models: { providers: { simulator: { baseUrl: installation.simulator.url, api: 'anthropic-messages', apiKey: 'acme-key' } } },
    agents: { defaults: { workspace: join(dir, 'acme-files'), model: 'simulator/any', sandbox: { mode: 'off' } } },
  };
  writeFileSync(join(acmeDir, 'clawdbot.json'), JSON.stringify(acme));
  const gateway = await installation.start();
  const enter = async (token: string): Promise<TestClient> => {
    const client = await connect({ url: `ws://127.0.0.1:${gateway.port}`, token, timeoutMs: 10_000, version: 'test' });
    t.after(() => client.close());
    return { ...client, events: [] };
  };
  return { installation, gateway, acmeDir, dir, owner: await enter(TOKEN), acme: await enter(ACME_TOKEN), enter };
}

it('each has its own files, configuration, jobs, log and secrets; the port is the same', async (t) => {
  const { installation, acmeDir, dir, owner, acme, gateway, enter } = await twoWorkspaces(t);
  assert.match(textOf(await order(acme, 'where are you?')), new RegExp(join(dir, 'acme-files')));
  assert.match(textOf(await order(owner, 'where are you?')), new RegExp(installation.workspace));
  const secretFile = join(acmeDir, 'clawdbot.json');
  assert.doesNotMatch(textOf(await order(owner, `read ${secretFile}`)), /acme-key|acme-token/, "the owner's agents read nothing of it");
  assert.doesNotMatch(textOf(await order(acme, `read ${join(installation.stateDir, 'clawdbot.json')}`)), new RegExp(TOKEN), 'nor the other way round');
  assert.equal((await ask(acme, 'config.get')).parsed.agents.defaults.workspace, join(dir, 'acme-files'));
  const job = await ask(acme, 'cron.add', {
    name: 'nightly',
    schedule: { kind: 'every', everyMs: 3_600_000 },
    sessionTarget: 'isolated',
    payload: { kind: 'agentTurn', message: 'x' },
  });
  await until(
    'its own jobs.json',
    () => existsSync(join(acmeDir, 'cron', 'jobs.json')) && readFileSync(join(acmeDir, 'cron', 'jobs.json'), 'utf8').includes(job.id),
  );
  assert.ok(readdirSync(join(acmeDir, 'logs')).length > 0);
  const http = (token: string, path: string, body: unknown) =>
    fetch(`http://127.0.0.1:${gateway.port}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const jobs = await Promise.all(
    [TOKEN, ACME_TOKEN].map(
      async (token) => ((await (await http(token, '/rpc/cron.list', {})).json()) as { payload: { jobs: unknown[] } }).payload.jobs.length,
    ),
  );
  assert.deepEqual(jobs, [0, 1]);
  await assert.rejects(enter('neither-of-the-two-tokens-that-there-are'), /token mismatch/);
  const cli = await installation.cli(['--in-workspace', 'acme', 'cron', 'list', '--json']);
  assert.equal(cli.code, 0, cli.stderr);
  assert.equal(JSON.parse(cli.stdout).jobs[0].name, 'nightly');
});

it('budgets are separate', async (t) => {
  const { owner, acme } = await twoWorkspaces(t);
  await order(acme, 'hello');
  const [ofOwner, ofAcme] = await Promise.all([owner, acme].map((client) => ask(client, 'usage.report', { days: 1 })));
  assert.deepEqual([ofOwner.totals.totalTokens > 0, ofAcme.totals.totalTokens > 0], [false, true]);
});

it('workspaces whose files overlap are refused with the reason', async (t) => {
  const { installation, acmeDir, dir, gateway } = await twoWorkspaces(t);
  gateway.child.kill('SIGTERM');
  await gateway.exited;
  const overlapping = { agents: { defaults: { workspace: join(installation.workspace, 'inside') } } };
  writeFileSync(join(acmeDir, 'clawdbot.json'), JSON.stringify(overlapping));
  await assert.rejects(installation.start(), /share files .* give each an agents\.defaults\.workspace of its own/);
  assert.ok(existsSync(dir));
});

it('no method shows or changes anything of another workspace, whatever ids it is given', { timeout: 120_000 }, async (t) => {
  const { owner, acme } = await twoWorkspaces(t);
  await order(acme, 'delegate this', { session: 'confidential-session', key: 'confidential-run' });
  await ask(acme, 'sessions.patch', { key: 'confidential-session', label: 'confidential-label' });
  const job = await ask(acme, 'cron.add', {
    name: 'confidential-job',
    schedule: { kind: 'every', everyMs: 3_600_000 },
    sessionTarget: 'isolated',
    payload: { kind: 'agentTurn', message: 'confidential' },
  });
  const session = (await ask(acme, 'sessions.list', {})).sessions.find(({ key }: { key: string }) => key.endsWith('confidential-session'));
  const [spawn] = (await ask(acme, 'spawns.list', {})).spawns;
  const run = await ask(acme, 'runs.get', { runId: 'confidential-run' });
  const approval = await ask(acme, 'exec.approval.request', { command: 'confidential', timeoutMs: 60_000 }).catch(() => undefined);
  const ids = [
    'confidential-session',
    session.key,
    session.sessionId,
    'confidential-label',
    'confidential-run',
    run.id,
    spawn.id,
    spawn.childSessionKey,
    spawn.childRunId,
    'confidential-child',
    job.id,
    'confidential-job',
    approval?.id,
  ].filter((id): id is string => typeof id === 'string');
  const before = await contentsOf(acme);

  let asked = 0;
  const all = [...protocolMethods({ alias: () => undefined } as never), ...methods];
  for (const { name: method, input } of all) {
    const own = Object.keys((input as { shape?: object }).shape ?? {});
    const named = own.filter((key) => /id$|^id|key|label|name|^to$|session|spawnedBy|scope|parent/i.test(key));
    for (const id of ids) {
      for (const keys of [named, ...named.map((key) => [key])]) {
        const given = Object.fromEntries(keys.map((key) => [key, /(ids|keys|names)$/i.test(key) ? [id] : id]));
        const params = Object.fromEntries(Object.entries({ ...REST, ...given }).filter(([key]) => own.includes(key)));
        asked += 1;
        const answer = JSON.stringify(await owner.call(method, params, { timeoutMs: 10_000 }).catch((error: unknown) => ({ refused: String(error) })));
        const echoed = ids.reduce((text, known) => text.replaceAll(known, ''), answer); // what was asked may be said back
        assert.ok(!/confidential/.test(echoed), `${method} ${JSON.stringify(params)}: ${answer.slice(0, 400)}`);
      }
    }
  }
  t.diagnostic(`${asked} calls of ${all.length} methods`);
  assert.match(JSON.stringify(before), /confidential finding/, 'there was something to be found');
  assert.deepEqual(await contentsOf(acme), before, 'nothing has changed');
});

/** What methods want besides. */
const REST = { timeoutMs: 1, message: 'hello', text: 'hello', decision: 'deny', patch: { enabled: false }, limit: 5, params: {}, reason: 'x', query: 'e' };

/** All that matters of a workspace. */
async function contentsOf(client: TestClient): Promise<unknown> {
  const { sessions } = await ask(client, 'sessions.list', {});
  const histories = await Promise.all(sessions.map(({ key }: { key: string }) => ask(client, 'chat.history', { sessionKey: key })));
  const { jobs } = await ask(client, 'cron.list', { includeDisabled: true });
  const { spawns } = await ask(client, 'spawns.list', {});
  const { runs } = await ask(client, 'runs.list', {});
  const settled = {
    sessions: sessions.map(({ key, label, sessionId }: Record<string, unknown>) => ({ key, label, sessionId })),
    jobs: jobs.map(({ id, name, enabled }: Record<string, unknown>) => ({ id, name, enabled })),
  };
  return { ...settled, histories: histories.map(({ messages }) => messages), spawns, runs };
}
