// Every method and every route, without credentials and with each scope: who may not, does not.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { authorize, type Principal } from '../../src/domain/authorize.ts';
import { protocolMethods } from '../../src/doors/protocol3/methods.ts';
import { standIns } from '../../src/doors/protocol3/stand-ins.ts';
import { methods } from '../../src/features/catalog.ts';
import { TOKEN } from '../support/installation.ts';
import { startShared } from '../support/journey.ts';
import { type Cleanup, until } from '../support/scratch.ts';
import { connectFrame, enter, raw } from '../support/wire.ts';

const ALL = [...protocolMethods({ alias: () => undefined }), ...methods, ...standIns];
const SCOPES: readonly (readonly string[])[] = [[], ['operator.read'], ['operator.write'], ['operator.approvals'], ['operator.pairing'], ['operator.admin']];
/** Refused by every strict schema, and nothing that a lenient one could act on. */
const HARMLESS = { 'no such field': 1 };

describe('rights', () => {
  const cleanups: (() => Promise<void> | void)[] = [];
  const t: Cleanup = { after: (action) => void cleanups.unshift(action) };
  const shared = startShared(
    { before, after },
    { scenario: { name: 'ok', rules: [{ text: 'ok' }] }, config: { hooks: { enabled: true, token: 'hook-token-0123456789' } } },
  );
  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });

  it('the list of methods has no name twice, and every one says its scope and what it does', () => {
    const names = ALL.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const { name, scope, about } of ALL) assert.ok(scope !== undefined && about.length > 10, name);
  });

  it('every method the original lists is known', () => {
    const original =
      'agent agent.identity.get agent.wait agents.list channels.logout channels.status chat.abort chat.history chat.inject chat.send config.apply config.get config.patch config.schema config.set cron.add cron.list cron.remove cron.run cron.runs cron.status cron.update device.pair.approve device.pair.list device.pair.reject device.token.revoke device.token.rotate exec.approval.request exec.approval.resolve exec.approvals.get exec.approvals.node.get exec.approvals.node.set exec.approvals.set health last-heartbeat logs.tail models.list node.describe node.event node.invoke node.invoke.result node.list node.pair.approve node.pair.list node.pair.reject node.pair.request node.pair.verify node.rename poll send sessions.compact sessions.delete sessions.list sessions.patch sessions.preview sessions.reset sessions.resolve set-heartbeats skills.bins skills.install skills.status skills.update status system-event system-presence talk.mode tts.convert tts.disable tts.enable tts.providers tts.setProvider tts.status update.run usage.cost usage.status voicewake.get voicewake.set wake web.login.start web.login.wait wizard.cancel wizard.next wizard.start wizard.status';
    const known = new Set(ALL.map(({ name }) => name));
    assert.deepEqual(
      original.split(' ').filter((name) => !known.has(name)),
      [],
    );
  });

  for (const scopes of SCOPES) {
    it(`an operator with ${scopes.join(', ') || 'no scope'} may do exactly what the scope allows`, async () => {
      const client = await enter(t, shared().gateway.port, { scopes });
      const principal: Principal = { workspaceId: 'default', actor: 'test', role: 'operator', scopes };
      for (const { name, scope } of ALL) {
        const { ok, error } = await client.ask(name, HARMLESS);
        const message = ok ? '' : String(error.message);
        const decision = authorize(principal, scope);
        const expected =
          decision.kind === 'allowed' ? undefined : decision.rule === 'role' ? `unauthorized role: ${decision.needs}` : `missing scope: ${decision.needs}`;
        if (expected === undefined) assert.doesNotMatch(message, /missing scope|unauthorized role/, name);
        else assert.equal(message, expected, name);
      }
    });
  }

  it('a node may do what nodes do and nothing else', async () => {
    const node = await enter(t, shared().gateway.port, {
      role: 'node',
      scopes: ['operator.admin'],
      client: { id: 'node-host', version: '1', platform: 'linux', mode: 'node' },
    });
    for (const { name, scope } of ALL) {
      const { ok, error } = await node.ask(name, HARMLESS);
      if (scope === 'node') assert.ok(ok || !/unauthorized/.test(error.message), name);
      else assert.equal(error.message, 'unauthorized role: node', name);
    }
  });

  it('before the handshake no method does anything', async () => {
    for (const { name } of ALL.slice(0, 25)) {
      const client = raw(t, shared().gateway.port);
      await client.challenge();
      client.send({ type: 'req', id: '1', method: name, params: {} });
      assert.equal((await client.closed()).code, 1008);
      assert.equal(client.frames.find(({ type }) => type === 'res').error.message, 'invalid handshake: first request must be connect');
    }
    const silent = raw(t, shared().gateway.port);
    await silent.challenge();
    silent.send(connectFrame({ auth: {} }));
    await silent.closed();
    assert.ok(!silent.frames.some(({ event }) => event !== undefined && event !== 'connect.challenge'));
  });

  it('over HTTP only health, readiness and the OpenAPI document answer without a token', async () => {
    const base = `http://127.0.0.1:${shared().gateway.port}`;
    const open = new Map([
      ['GET /health', 200],
      ['GET /ready', 200],
      ['GET /openapi.json', 200],
    ]);
    const paths = [
      '/',
      '/health',
      '/ready',
      '/openapi.json',
      '/metrics',
      '/v1/models',
      '/v1/chat/completions',
      '/v1/responses',
      '/tools/invoke',
      '/hooks/wake',
      '/hooks/agent',
      ...ALL.map(({ name }) => `/rpc/${name}`),
    ];
    await until('ready', async () => (await fetch(`${base}/ready`)).status === 200);
    for (const path of paths) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
        const response = await fetch(base + path, { method, ...(method === 'POST' && { body: '{}' }) });
        const text = await response.text();
        const expected = open.get(`${method} ${path}`);
        if (expected !== undefined) assert.equal(response.status, expected, `${method} ${path}`);
        else assert.ok([401, 404, 405].includes(response.status), `${method} ${path} answers ${response.status}`);
        assert.ok(!text.includes(TOKEN) && !text.includes('hook-token'), `${method} ${path}`);
      }
    }
  });
});
