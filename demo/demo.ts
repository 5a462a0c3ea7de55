// The main job, for real: the owner's order goes through a whole team. A plan, a story that lint refuses first, two tasks, a worker that cheats,
// its refutation, a kill -9 in the middle, tests, held-out checks, verdicts, the merge, the report, and the page of the proof, run again.

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { startSimulator } from '../src/adapters/models/simulator/server.ts';
import { connect } from '../src/doors/cli/client.ts';
import { treeText } from '../src/features/planning/text.ts';
import type { PlanNode } from '../src/features/planning/tree.ts';
import type { ProofPage } from '../src/features/validation/page.ts';
import { proofText } from '../src/features/validation/page-text.ts';
import type { Replay } from '../src/features/validation/replay.ts';
import { systemClock } from '../src/kit/clock.ts';
import { newUuid } from '../src/kit/id.ts';
import { fail, git, HERE, prepare, runTests, say, startGateway, step } from './stage.ts';
import { TEAM_SCENARIO } from './team-scenario.ts';

/** With real models everything takes longer. */
const MOST_MS = process.env['ANTHROPIC_API_KEY'] ? 1_800_000 : 170_000;

const stage = prepare();
const { workspace, stateDir, token } = stage;
const repo = join(workspace, 'service');
const key = process.env['ANTHROPIC_API_KEY'];
const began = systemClock.elapsed();
const seconds = () => `${((systemClock.elapsed() - began) / 1000).toFixed(1)} s`;

step('The service');
cpSync(join(HERE, 'service'), repo, { recursive: true });
git(repo, 'init', '-q');
git(repo, 'add', '.');
git(repo, 'commit', '-qm', 'A small service');
say(`${repo}: its tests ${runTests(repo, 'node --test').passed ? 'pass' : 'FAIL'}, and nothing limits how often it is called`);

step('The gateway and its team');
const simulator = key ? undefined : await startSimulator({ scenario: TEAM_SCENARIO, clock: systemClock });
const { child, port } = await startGateway(stage, simulator?.url);
let isBuilding = false;
let killedAt = 0;
const client = await connect({
  url: `ws://127.0.0.1:${port}`,
  token,
  timeoutMs: 30_000,
  version: 'demo',
  onEvent: (event, payload) => event === 'agent' && onAgentEvent(payload as AgentEvent),
}); // the shape of run-events
const call = <T>(method: string, params: object = {}) => client.call(method, params) as Promise<T>; // the shapes of the methods
const team = await call<{ agents: string[] }>('team.init', simulator ? { model: 'simulator/demo' } : {});
say(`listening on ws://127.0.0.1:${port}; team: ${team.agents.join(', ')}`);
say(
  `model: ${simulator ? 'the simulator (no ANTHROPIC_API_KEY is set): what it does depends on what the tools return' : 'Claude, with your ANTHROPIC_API_KEY'}`,
);

const ORDER = `In the repository ${repo}, add a rate limiter to this small service, with tests.`;
step(`The owner's order: "${ORDER}"`);
await client
  .call('agent', { message: ORDER, sessionKey: 'main', idempotencyKey: newUuid() }, { expectFinal: true, timeoutMs: 0 })
  .catch((error: Error) => fail(error.message));

step('What becomes of it');
let shown = '';
let cursor = 0;
for (;;) {
  const { plans } = await call<{ plans: PlanNode[] }>('plans.tree');
  await tell();
  draw(treeText(plans));
  if (isBuilding && killedAt === 0) await killWorkers();
  if (plans.length > 0 && plans.every(({ state }) => state === 'completed')) break;
  if (systemClock.elapsed() - began > MOST_MS) fail(`after ${seconds()} the plan is not through:\n${treeText(plans)}`);
  await systemClock.sleep(100);
}
const { plans } = await call<{ plans: PlanNode[] }>('plans.tree');
const tasks = plans.flatMap((plan) => plan.below.flatMap((epic) => epic.below.flatMap((story) => story.tasks)));

step("The report in the owner's inbox");
const { messages } = await call<{ messages: { subject: string }[] }>('inbox.list', { box: 'human', all: true });
for (const { subject } of messages) say(subject);

step('What was merged (git log)');
say(git(repo, 'log', '--oneline', 'main').trim());
git(repo, 'checkout', '-q', 'main');
const after = runTests(repo, 'node --test');

const [first] = tasks;
step(`The page of the proof: clawdbot proof show ${first?.name}`);
const page = await call<ProofPage>('proof.show', { name: first?.name });
say(proofText(page));

step('The same proof, run again from nothing: clawdbot proof replay');
const replay = (await client.call('proof.replay', { name: first?.name }, { timeoutMs: 120_000 })) as unknown as Replay; // the shape of validation/replay
say(replay.gates.map(({ gate, before, again }) => `${gate} ${before} / ${again}`).join(', '));

step('Summary');
const refuted = page.requests.flatMap(({ verdicts }) => verdicts).filter(({ word }) => word === 'FAIL');
say(`tests:     ${after.passed ? 'pass' : `FAIL (exit code ${after.code})`}, run by this demo and not by an agent`);
say(`tasks:     ${tasks.map(({ name, state, attempts }) => `${name} ${state}${attempts > 0 ? ` (sent back ${attempts}x)` : ''}`).join(', ')}`);
say(`cheat:     ${refuted.map(({ reason }) => reason).join('; ') || 'none'}`);
say(`kill -9:   ${killedAt > 0 ? 'the workers died in the middle; the same run went on' : 'no worker was killed'}`);
say(`replay:    ${replay.same ? 'the same' : 'DIFFERENT'}`);
say(`time:      ${seconds()}`);
client.close();
child.kill('SIGTERM');
await new Promise((done) => child.once('exit', done));
await simulator?.close();
say(`look:      CLAWDBOT_STATE_DIR=${stateDir} npx clawdbot gateway, then npx clawdbot plan tree`);
const ok =
  after.passed &&
  replay.same &&
  tasks.length > 0 &&
  tasks.every(({ state }) => state === 'done') &&
  (key !== undefined || (killedAt > 0 && refuted.length > 0));
if (!ok) say('\nThe order was not carried out as it should be.');
process.exit(ok ? 0 : 1);

interface AgentEvent {
  readonly stream: string;
  readonly data: { readonly phase?: string; readonly name?: string; readonly args?: { readonly command?: string } };
}

/** The honest worker runs its tests: the moment to kill it. */
function onAgentEvent({ stream, data }: AgentEvent): void {
  if (stream === 'tool' && data.phase === 'start' && data.name === 'exec' && /at - one < windowMs/.test(data.args?.command ?? '')) isBuilding = true;
}

async function killWorkers(): Promise<void> {
  killedAt = systemClock.elapsed();
  const { workers } = await call<{ workers: { pid: number }[] }>('health');
  for (const { pid } of workers) process.kill(pid, 'SIGKILL');
  erase();
  say(`  ** kill -9 ${workers.map(({ pid }) => pid).join(', ')}: every worker is dead, in the middle of its runs`);
}

interface Change {
  readonly body: { readonly kind: string; readonly name?: string; readonly from?: string | null; readonly state?: string; readonly note?: string };
}

/** Every change of plans and tasks since the last look, in the order of the log. */
async function tell(): Promise<void> {
  for (let more = true; more; ) {
    const page = await call<{ cursor: number; events: Change[]; more: boolean }>('events.since', { cursor });
    ({ cursor, more } = page);
    for (const { body } of page.events) {
      const { kind, name, from, state, note } = body;
      if ((kind !== 'plan' && kind !== 'task') || from === state) continue;
      erase();
      say(
        `${seconds().padStart(7)}  ${name} ${from == null ? '' : `${from} → `}${state}${note === undefined || note === '' ? '' : `: ${note.split('\n')[0]?.slice(0, 100)}`}`,
      );
    }
  }
}

/** In a terminal the tree stands below what has happened, as it is now. */
function draw(tree: string): void {
  if (tree === shown || !process.stdout.isTTY) return;
  erase();
  process.stdout.write(tree);
  shown = tree;
}

function erase(): void {
  const lines = shown.split('\n').length - 1;
  if (lines > 0) process.stdout.write(`\u001b[${lines}A\u001b[J`);
  shown = '';
}
