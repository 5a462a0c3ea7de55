// Approvals: the caller waits, a person answers, everybody who may know hears of it, and a restart forgets nothing.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { order, startJourney, textOf } from '../support/journey.ts';
import { until } from '../support/scratch.ts';
import { enter } from '../support/wire.ts';

const SCENARIO = { name: 'ok', rules: [{ text: 'ok' }] };

it('a question waits for its answer, or for its deadline', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const asker = await enter(t, gateway.port, { scopes: ['operator.approvals'] });
  const owner = await enter(t, gateway.port, { scopes: ['operator.approvals'] });
  const reader = await enter(t, gateway.port, { scopes: ['operator.read'] });
  const answer = asker.ask('exec.approval.request', { id: 'a1', command: 'rm -rf build', cwd: '/tmp', agentId: 'main', timeoutMs: 20_000 });
  const asked = await owner.event('exec.approval.requested');
  assert.deepEqual([asked.id, asked.request.command, asked.expiresAtMs - asked.createdAtMs], ['a1', 'rm -rf build', 20_000]);
  assert.equal((await owner.ask('exec.approval.resolve', { id: 'a1', decision: 'maybe' })).error.message, 'invalid decision');
  assert.deepEqual((await owner.ask('exec.approval.resolve', { id: 'a1', decision: 'allow-once' })).payload, { ok: true });
  const { payload } = await answer;
  assert.deepEqual([payload.id, payload.decision], ['a1', 'allow-once']);
  assert.equal((await asker.event('exec.approval.resolved')).decision, 'allow-once');
  assert.equal((await owner.ask('exec.approval.resolve', { id: 'a1', decision: 'deny' })).error.message, 'unknown approval id');
  const late = await asker.ask('exec.approval.request', { command: 'sleep 1', timeoutMs: 100 });
  assert.equal(late.payload.decision, null);
  assert.ok(!reader.frames.some(({ event }) => String(event).startsWith('exec.approval')));
  const { payload: list } = await owner.ask('approvals.list');
  assert.deepEqual(
    list.approvals.map(({ state }: { state: string }) => state),
    ['expired', 'granted'],
  );
});

const AGENT = {
  name: 'commands',
  rules: [
    { when: { user: 'count', step: 0 }, tools: [{ name: 'exec', input: { command: 'wc -c mark' } }] },
    { when: { user: 'touch', step: 0 }, tools: [{ name: 'exec', input: { command: 'touch mark && echo made' } }] },
    { when: { result: '([^]*)' }, text: 'It said: {{result.1}}' },
  ],
};

it('commands of agents ask first where the owner wants it: yes, no, silence, and yes for ever', { timeout: 60_000 }, async (t) => {
  const { gateway, installation, client, workspace } = await startJourney(t, { scenario: AGENT });
  const owner = await enter(t, gateway.port);
  const mark = join(workspace, 'mark');
  const answerWith = async (decision: string, command: string) => {
    const { id, request } = await owner.event('exec.approval.requested', ({ request: asked }) => asked.command === command);
    assert.deepEqual([request.agentId, request.sessionKey, request.cwd], ['main', 'agent:main:main', workspace]);
    assert.deepEqual((await owner.ask('exec.approval.resolve', { id, decision })).payload, { ok: true });
    owner.frames.length = 0;
  };
  const set = (path: string, value: unknown) => client.call('config.edit', { path: `tools.exec.${path}`, value });

  await set('ask', 'always');
  let said = order(client, 'touch');
  await answerWith('deny', 'touch mark && echo made');
  assert.match(textOf(await said), /Command not run: a person said no/);
  assert.equal(existsSync(mark), false);

  said = order(client, 'touch');
  await answerWith('allow-once', 'touch mark && echo made');
  assert.match(textOf(await said), /made/);
  assert.equal(existsSync(mark), true);

  await set('ask', 'on-miss');
  await set('security', 'allowlist');
  said = order(client, 'count');
  await answerWith('allow-always', 'wc -c mark');
  assert.match(textOf(await said), /0 mark/);
  assert.match(textOf(await order(client, 'count')), /0 mark/, 'nobody is asked again');
  const { agents } = JSON.parse(readFileSync(join(installation.stateDir, 'exec-approvals.json'), 'utf8'));
  assert.match(agents.main.allowlist[0].pattern, /^\/.*\/wc$/);

  await set('askTimeoutSec', 1);
  assert.match(textOf(await order(client, 'touch')), /nobody answered within 1 s/);
  const byHand = await client.call('tools.invoke', { tool: 'exec', args: { command: 'touch mark && echo by hand' } });
  assert.match(JSON.stringify(byHand), /by hand/, 'an operator is not asked about his own command');

  await set('askTimeoutSec', 60);
  owner.frames.length = 0;
  const aborted = order(client, 'touch', { key: 'stopped' }).catch(() => undefined);
  const { id } = await owner.event('exec.approval.requested');
  await client.call('chat.abort', { sessionKey: 'main', runId: 'stopped' });
  await aborted;
  await until(
    'withdrawn',
    async () => (await owner.ask('approvals.list')).payload.approvals.find((asked: { id: string }) => asked.id === id)?.state === 'withdrawn',
  );

  await set('security', 'deny');
  assert.match(textOf(await order(client, 'count')), /the owner lets this agent run no commands/);
});

it('clients without the scope see no gap in the numbers of their events', async (t) => {
  const { gateway } = await startJourney(t, { scenario: SCENARIO });
  const owner = await enter(t, gateway.port);
  const reader = await enter(t, gateway.port, { scopes: ['operator.read'] });
  for (const id of ['a', 'b', 'c']) await owner.ask('exec.approval.request', { id, command: 'x', timeoutMs: 20 });
  await owner.ask('voicewake.set', { triggers: ['hey'] });
  await reader.event('voicewake.changed');
  for (const { frames } of [owner, reader]) {
    const seqs = frames.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      seqs.map((_, i) => seqs[0] + i),
    );
  }
});

it('an open question outlives the gateway: it can be answered after a restart, and asked again under its id', async (t) => {
  const { gateway, installation } = await startJourney(t, { scenario: SCENARIO });
  const asker = await enter(t, gateway.port);
  asker.send({ type: 'req', id: 'w', method: 'exec.approval.request', params: { id: 'a1', command: 'x', timeoutMs: 60_000 } });
  asker.send({ type: 'req', id: 'w2', method: 'exec.approval.request', params: { id: 'a2', command: 'y', timeoutMs: 1500 } });
  await asker.event('exec.approval.requested', ({ id }) => id === 'a2');
  gateway.child.kill('SIGKILL');
  await gateway.exited;
  const next = await installation.start();
  const again = await enter(t, next.port);
  const answer = again.ask('exec.approval.request', { id: 'a1', command: 'x', timeoutMs: 60_000 });
  await again.ask('exec.approval.resolve', { id: 'a1', decision: 'deny' });
  assert.equal((await answer).payload.decision, 'deny');
  assert.equal((await again.ask('exec.approval.request', { id: 'a2', command: 'y' })).payload.decision, null, 'the deadline of before holds');
});

it('the file of standing permissions is read and written by its hash; the secret of its socket stays inside', async (t) => {
  const { gateway, installation } = await startJourney(t, { scenario: SCENARIO });
  const path = join(installation.stateDir, 'exec-approvals.json');
  const client = await enter(t, gateway.port);
  assert.equal((await client.ask('exec.approvals.get')).payload.exists, false);
  writeFileSync(path, JSON.stringify({ version: 1, socket: { path: '/x.sock', token: 'very-secret' }, defaults: {}, agents: {}, later: 'kept' }));
  const { payload } = await client.ask('exec.approvals.get');
  assert.ok(!JSON.stringify(payload).includes('very-secret'));
  const file = { ...payload.file, agents: { main: { allowlist: [{ pattern: '/usr/bin/git' }] } } };
  assert.match((await client.ask('exec.approvals.set', { file })).error.message, /base hash required/);
  assert.match((await client.ask('exec.approvals.set', { file, baseHash: 'old' })).error.message, /changed since last load/);
  assert.match((await client.ask('exec.approvals.set', { file: { version: 2 }, baseHash: payload.hash })).error.message, /not valid/);
  const written = await client.ask('exec.approvals.set', { file, baseHash: payload.hash });
  assert.deepEqual(written.payload.file.agents, file.agents);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const kept = JSON.parse(readFileSync(path, 'utf8'));
  assert.deepEqual([kept.socket.token, kept.later], ['very-secret', 'kept']);
});
