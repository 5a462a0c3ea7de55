// Two gateways and a worker of its own on one PostgreSQL: whichever is asked, the order is done once and everybody hears of it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import type { ScenarioFile } from '../../src/adapters/models/simulator/scenario.ts';
import { BUNDLE, connectClient, createInstallation, type TestClient, TOKEN } from '../support/installation.ts';
import { ask } from '../support/journey.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { scratchDir, until } from '../support/scratch.ts';

const scenario: ScenarioFile = {
  name: 'cluster',
  rules: [
    { when: { user: 'where', step: 0 }, tools: [{ name: 'exec', input: { command: 'pwd' } }] },
    { when: { user: 'slow' }, text: 'one two three four five six seven eight', stream: { chunk: 4, delayMs: 60 } },
    { when: { result: '(.*)' }, text: 'it is {{result.1}}' },
    { text: 'done', stream: { chunk: 4, delayMs: 5 } },
  ],
};

const FINAL = { expectFinal: true, timeoutMs: 30_000 };

const server: PostgresServer | undefined = await startPostgres();

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
const order = (client: TestClient, params: object): Promise<any> => client.call('agent', params, FINAL);

/** Two installations, as on two machines, that share nothing but the database. */
async function twoGateways(t: TestContext, { workers = 1 }: { readonly workers?: number } = {}) {
  const url = (await server?.createDatabase()) ?? '';
  const start = async () => {
    const config = { store: { url }, gateway: { mode: 'local', port: 0, auth: { mode: 'token', token: TOKEN }, drainSeconds: 1, workers } };
    const installation = await createInstallation({ dir: scratchDir(t), scenario, config });
    const gateway = await installation.start();
    t.after(installation.close);
    const connect = async () => {
      const client = await connectClient(gateway.port);
      t.after(() => client.close());
      return client;
    };
    return { installation, gateway, connect };
  };
  const a = await start();
  return { a, b: await start(), url };
}

describe('several gateways on one store', { skip: server === undefined && 'no PostgreSQL' }, () => {
  after(() => server?.stop());

  it('any gateway serves any client; events and live text reach every one of them in order', async (t) => {
    const { a, b } = await twoGateways(t);
    const [near, far] = [await a.connect(), await b.connect()];
    const answer = await order(near, { message: 'slow', sessionKey: 'main', idempotencyKey: 'k1' });
    assert.equal(answer.status, 'ok');
    const seen = await ask(far, 'agent.wait', { runId: 'k1', timeoutMs: 5000 });
    assert.equal(seen.status, 'ok');
    const text = 'one two three four five six seven eight';
    for (const client of [near, far]) {
      await until('the last word', async () => client.events.some(({ event, payload }) => event === 'chat' && payload.state === 'final') || undefined);
      const live = client.events
        .filter(({ event, payload }) => event === 'agent' && payload.stream === 'assistant')
        .map(({ payload }) => payload.data.text as string);
      assert.ok(live.length > 3, 'it was streamed');
      assert.equal(live.at(-1), text);
      for (const [i, part] of live.entries()) assert.ok(text.startsWith(part) && part.length >= (live[i - 1]?.length ?? 0), part);
    }
    const { cursor } = await ask(near, 'events.since', {});
    const pages = await Promise.all([near, far].map((client) => ask(client, 'events.since', { cursor: 0 })));
    assert.deepEqual(pages[0], pages[1]);
    assert.equal(pages[0].events.at(-1).sealedSeq, cursor);
    const history = await ask(far, 'chat.history', { sessionKey: 'main' });
    assert.equal(history.messages.at(-1).content[0].text, text);
  });

  it('the same order at two gateways is one run', async (t) => {
    const { a, b } = await twoGateways(t);
    const clients = [await a.connect(), await b.connect()];
    const same = { message: 'hello', sessionKey: 'main', idempotencyKey: 'same' };
    const answers = await Promise.all(clients.map((client) => order(client, same)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['ok', 'ok'],
    );
    assert.equal(a.installation.simulator.requests().length + b.installation.simulator.requests().length, 1);
  });

  it('a run is stopped from another gateway than the one whose worker has it', async (t) => {
    const { a, b } = await twoGateways(t);
    const [near, far] = [await a.connect(), await b.connect()];
    const ending = order(near, { message: 'slow', sessionKey: 'main', idempotencyKey: 'k' });
    await until('it streams', async () => far.events.some(({ event, payload }) => event === 'agent' && payload.stream === 'assistant') || undefined);
    const since = performance.now();
    await ask(far, 'chat.abort', { sessionKey: 'main', runId: 'k' });
    await ask(far, 'agent.wait', { runId: 'k', timeoutMs: 5000 });
    assert.equal((await ask(far, 'runs.get', { runId: 'k' })).state, 'cancelled');
    assert.ok(performance.now() - since < 2000);
    await ending.catch(() => undefined);
  });

  it('what one node does for all moves to another when it dies, and its runs go on there', async (t) => {
    const { a, b } = await twoGateways(t);
    const far = await b.connect();
    const owner = async (name: string) => {
      const { cluster } = await ask(far, 'cluster.status', {});
      return cluster.leases.find((lease: { name: string; forMs: number }) => lease.name === name && lease.forMs > 0)?.owner as string | undefined;
    };
    const first = await until('somebody holds the ticker', () => owner('ticker'));
    const { cluster } = await ask(far, 'cluster.status', {});
    assert.equal(cluster.nodes.length, 2);
    const holder = cluster.nodes.find(({ id }: { id: string }) => id === first);
    assert.equal(holder.pid, a.gateway.child.pid);
    const near = await a.connect();
    order(near, { message: 'slow', sessionKey: 'main', idempotencyKey: 'k' }).catch(() => undefined);
    await until('it runs', async () => far.events.some(({ event }) => event === 'agent') || undefined);
    const diedAt = performance.now();
    a.gateway.child.kill('SIGKILL');
    await until('another one holds the ticker', async () => ((await owner('ticker')) !== first ? true : undefined), 15_000);
    const movedMs = performance.now() - diedAt;
    assert.ok(movedMs < 10_000, `${movedMs} ms`);
    t.diagnostic(`fail-over of the ticker: ${Math.round(movedMs)} ms`);
    const run = await ask(far, 'agent.wait', { runId: 'k', timeoutMs: 20_000 });
    assert.equal(run.status, 'ok');
  });

  it('a worker on a machine of its own takes runs, streams, and uses its own files', async (t) => {
    const { a, url } = await twoGateways(t, { workers: 0 });
    const place = join(scratchDir(t), 'elsewhere');
    mkdirSync(place);
    const args = ['worker', '--store', url, '--workspace', `default=${place}`];
    const worker = spawn(process.execPath, [BUNDLE, ...args], {
      env: { ...a.installation.environment, CLAWDBOT_STATE_DIR: join(scratchDir(t), 'state'), SIMULATOR_API_KEY: 'none' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => worker.kill('SIGKILL'));
    const client = await a.connect();
    const answer = await order(client, { message: 'where', sessionKey: 'main', idempotencyKey: 'k' });
    assert.equal(answer.status, 'ok');
    assert.ok(answer.result.payloads[0].text.includes(place), answer.result.payloads[0].text);
    assert.ok(client.events.some(({ event, payload }) => event === 'agent' && payload.stream === 'tool'));
    const { cluster } = await ask(client, 'cluster.status', {});
    assert.ok(cluster.nodes.some(({ kind, workers }: { kind: string; workers: number }) => kind === 'worker' && workers === 1));
    writeFileSync(join(a.installation.stateDir, 'exec-approvals.json'), JSON.stringify({ version: 1, defaults: { security: 'deny' } }));
    const isRefused = async () =>
      JSON.stringify(await order(client, { message: 'where', sessionKey: 'main', idempotencyKey: randomUUID() })).includes('lets this agent run no commands');
    await until("the gateway's standing permissions hold for it", isRefused, 20_000);
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    worker.kill('SIGTERM');
    assert.equal(await gone, 0);
  });
});
