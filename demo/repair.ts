// One agent at work, for real: an order through the WebSocket door, an agent that works on a git repository with tools,
// its worker killed in the middle, the answer, and a check of the result that does not ask the agent.

import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import JSON5 from 'json5';
import { startSimulator } from '../src/adapters/models/simulator/server.ts';
import { connect } from '../src/doors/cli/client.ts';
import { systemClock } from '../src/kit/clock.ts';
import { newUuid } from '../src/kit/id.ts';
import { fail, git, HERE, prepare, runTests, say, startGateway, step } from './stage.ts';

const ORDER = 'Make the test pass, then say what was wrong.';

const { values: flags } = parseArgs({
  options: {
    repo: { type: 'string' },
    scenario: { type: 'string' },
    test: { type: 'string', default: 'npm test' },
    'no-kill': { type: 'boolean', default: false },
  },
});

const stage = prepare();
const { base, workspace, stateDir, token } = stage;
const key = process.env['ANTHROPIC_API_KEY'];
const useSimulator = !key || flags.scenario !== undefined;

step('The repository');
prepareRepository();
const before = runTests(workspace, flags.test);
say(`${workspace}: the tests ${before.passed ? 'pass already, there is nothing to do' : `fail (exit code ${before.code})`}`);
if (before.passed) process.exit(1);

step('The gateway');
const simulator = useSimulator
  ? await startSimulator({ scenario: JSON5.parse(readFileSync(resolve(flags.scenario ?? join(HERE, 'repair.json5')), 'utf8')), clock: systemClock })
  : undefined;
const { child, port } = await startGateway(stage, simulator?.url);
say(`listening on ws://127.0.0.1:${port}, state in ${stateDir}`);
say(`model: ${simulator ? 'the simulator (no ANTHROPIC_API_KEY is set, or a scenario was given)' : 'Claude, with your ANTHROPIC_API_KEY'}`);

interface Health {
  readonly workers: readonly { readonly pid: number; readonly deaths: number }[];
  readonly agents: readonly { readonly sandbox: { readonly level: string } }[];
}
interface AgentEvent {
  readonly stream: string;
  readonly data: {
    readonly phase?: string;
    readonly name?: string;
    readonly args?: unknown;
    readonly result?: { readonly text?: string };
    readonly delta?: string;
  };
}

let edited = false;
let killedAt = 0;
let resumedAt = 0;
const client = await connect({
  url: `ws://127.0.0.1:${port}`,
  token,
  timeoutMs: 10_000,
  version: 'demo',
  onEvent: (event, payload) => event === 'agent' && onAgentEvent(payload as AgentEvent),
}); // the shape of run-events
const sandbox = await sandboxLevel();
say(`sandbox for commands: ${sandbox}${sandbox === 'none' ? ' (bubblewrap is missing or not allowed here; install it with: apt install bubblewrap)' : ''}`);

step(`The order: "${ORDER}"`);
const started = systemClock.elapsed();
const answer = (await client
  .call('agent', { message: ORDER, sessionKey: 'main', idempotencyKey: newUuid() }, { expectFinal: true, timeoutMs: 0 })
  .catch((error: Error) => fail(error.message))) as {
  result: { payloads: { text: string }[]; meta: { agentMeta: { model: string; usage: { input: number; output: number; cost: number | null } } } };
}; // the shape of protocol3/methods
const tookMs = Math.round(systemClock.elapsed() - started);

step('The answer');
say(answer.result.payloads.map(({ text }) => text).join('\n'));

step('What changed (git diff)');
say(git(workspace, 'diff', '--stat', '-p').trim() || '(nothing)');

step('The tests, run by this demo and not by the agent');
const after = runTests(workspace, flags.test);
say(after.output.trim().split('\n').slice(-12).join('\n'));

step('Summary');
const { model, usage } = answer.result.meta.agentMeta;
const { workers } = (await client.call('health')) as unknown as Health; // the shape of health/methods
say(`tests:     ${after.passed ? 'pass' : `FAIL (exit code ${after.code})`}`);
say(`time:      ${tookMs} ms`);
say(`tokens:    ${usage.input} in, ${usage.output} out (${model}), cost ${usage.cost === null ? 'unknown' : `$${usage.cost.toFixed(4)}`}`);
if (killedAt > 0)
  say(
    `kill -9:   the worker died in the middle; the same run went on ${Math.round(resumedAt - killedAt)} ms later (${workers[0]?.deaths ?? 0} death, 1 run, 1 answer)`,
  );
say(`sandbox:   ${sandbox}`);
client.close();
child.kill('SIGTERM');
await new Promise((done) => child.once('exit', done));
await simulator?.close();
say(`look:      CLAWDBOT_STATE_DIR=${stateDir} npx clawdbot sessions agent:main:main`);
const ok = after.passed && (flags['no-kill'] || killedAt > 0);
if (!ok) say(after.passed ? '\nThe worker was not killed in the middle: the agent took another way than expected.' : '\nThe order was not carried out.');
process.exit(ok ? 0 : 1);

function prepareRepository(): void {
  if (flags.repo === undefined) {
    cpSync(join(HERE, 'shop'), workspace, { recursive: true });
    git(workspace, 'init', '-q');
    git(workspace, 'add', '.');
    git(workspace, 'commit', '-qm', 'A shop with a mistake');
  } else {
    git(base, 'clone', '-q', resolve(flags.repo), workspace); // a copy: your repository stays as it is
  }
}

async function sandboxLevel(): Promise<string> {
  for (;;) {
    const { agents } = (await client.call('health')) as unknown as Health; // the shape of health/methods
    const level = agents[0]?.sandbox.level ?? '';
    if (level !== 'probing') return level;
    await systemClock.sleep(50);
  }
}

function onAgentEvent({ stream, data }: AgentEvent): void {
  if (stream === 'assistant' && data.delta) process.stdout.write(data.delta);
  if (stream !== 'tool') return;
  if (killedAt > 0 && resumedAt === 0) resumedAt = systemClock.elapsed();
  if (data.phase === 'start') say(`  -> ${data.name} ${JSON.stringify(data.args)}`);
  else say(`  <- ${(data.result?.text ?? '').trim().split('\n').slice(-3).join('\n     ')}`);
  if (data.name === 'edit' && data.phase === 'result') edited = true;
  // In the middle: the file is repaired, the tests are running again, nobody knows yet how they end.
  if (edited && data.name === 'exec' && data.phase === 'start' && killedAt === 0 && !flags['no-kill']) void killWorker();
}

async function killWorker(): Promise<void> {
  killedAt = systemClock.elapsed();
  const { workers } = (await client.call('health')) as unknown as Health; // the shape of health/methods
  for (const { pid } of workers) {
    process.kill(pid, 'SIGKILL');
    say(`\n  ** kill -9 ${pid}: the worker is dead, in the middle of the run\n`);
  }
}
