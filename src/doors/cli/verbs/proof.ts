// clawdbot proof, and what of clawdbot task belongs to it: what a task must prove, submissions, verdicts, the page.

import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { TaskView } from '../../../features/tasks/rows.ts';
import type { ProofPage } from '../../../features/validation/page.ts';
import { proofText } from '../../../features/validation/page-text.ts';
import type { Replay } from '../../../features/validation/replay.ts';
import { table } from '../text.ts';
import { CliError, type ConnectFlags, readJsonFile, type VerbContext, withConnectFlags } from '../verb.ts';

const REPLAY_TIMEOUT_MS = 3_600_000;

type Flags = ConnectFlags & { readonly json?: boolean; readonly project?: string };

export function addProofVerbs(program: Command, { world, withGateway, print }: VerbContext): void {
  const task = program.commands.find((command) => command.name() === 'task') ?? program.command('task');
  const proof = program.command('proof').description('What the gateway itself has proved of a task');
  const verb = (parent: Command, usage: string, about: string) =>
    withConnectFlags(
      parent.command(usage).description(about).option('--project <name>', 'where several projects have one of this name').option('--json', 'as JSON'),
    );
  const call = <T>(flags: Flags, method: string, params: unknown) => withGateway(flags, (client) => client.call(method, params)) as Promise<T>; // the shapes of validation/methods
  const named = (name: string, { project }: Flags) => ({ name, ...(project !== undefined && { project }) });
  const tell = (flags: Flags, answer: { readonly task: TaskView }, more = '') =>
    flags.json ? print(answer) : world.out(`${answer.task.name} (${answer.task.project}) is ${answer.task.state}.${more}\n`);
  verb(task, 'spec <name> <file>', 'Say what a task must prove, in a JSON file (- is the standard input)').action(
    async (name: string, path: string, flags: Flags) => tell(flags, await call(flags, 'tasks.spec', { ...named(name, flags), spec: readJsonFile(path) })),
  );
  verb(task, 'submit <name>', 'Submit work for proof')
    .requiredOption('--base <commit>', 'where the work began')
    .option('--red <commit>', 'the commit that adds the failing tests, alone (not for work without tests)')
    .requiredOption('--green <commit>', 'the finished work')
    .option('--test <criterion=test...>', 'the tests of each criterion, by their names: AC-1="ten or more are cheaper"', [])
    .option('--claim <text>', 'what you say about it')
    .action(
      async (
        name: string,
        { base, red, green, test, claim, ...flags }: Flags & Record<'base' | 'green', string> & { red?: string; test: string[]; claim?: string },
      ) => {
        const acToTests: Record<string, string[]> = {};
        for (const pair of test) {
          const [id = '', ...rest] = pair.split('=');
          if (rest.length === 0) throw new CliError(`"${pair}" names no test: write it as AC-1=name of the test`);
          acToTests[id] = [...(acToTests[id] ?? []), rest.join('=')];
        }
        const answer = await call<{ task: TaskView }>(flags, 'tasks.submit', {
          ...named(name, flags),
          base,
          ...(red !== undefined && { red }),
          green,
          acToTests,
          ...(claim !== undefined && { claim }),
        });
        tell(flags, answer, ` What comes of it: clawdbot proof show ${name}`);
      },
    );
  verb(task, 'hold-out <name> <file>', 'Keep checks that the worker never sees, in a JSON file: { files: [{ path, text }], tests: [names] }').action(
    async (name: string, path: string, flags: Flags) => tell(flags, await call(flags, 'tasks.holdOut', { ...named(name, flags), checks: readJsonFile(path) })),
  );
  verb(task, 'verdict <name> <verdict>', 'Judge proved work: PASS, FAIL or BLOCKED')
    .requiredOption('--layer <number>', '2: the tests mean the criteria; 3: an attempt to refute it')
    .requiredOption('--commit <commit>', 'the commit you looked at')
    .requiredOption('--reason <text>', 'what you saw')
    .action(async (name: string, verdict: string, { layer, commit, reason, ...flags }: Flags & Record<'layer' | 'commit' | 'reason', string>) =>
      tell(flags, await call(flags, 'tasks.verdict', { ...named(name, flags), verdict, layer: Number(layer), commit, reason })),
    );

  verb(task, 'waive <name> <gate>', 'Let a gate fail for a while: yours alone to decide')
    .requiredOption('--reason <text>', 'why; the page of the proof shows it')
    .option('--hours <number>', 'how long it holds', '24')
    .action(async (name: string, gate: string, { reason, hours, ...flags }: Flags & { reason: string; hours: string }) =>
      tell(flags, await call(flags, 'tasks.waive', { ...named(name, flags), gate, reason, hours: Number(hours) })),
    );

  verb(proof, 'show <task>', 'One page: criteria, tests, commits, gates, verdicts').action(async (name: string, flags: Flags) => {
    const page = await call<ProofPage>(flags, 'proof.show', named(name, flags));
    if (flags.json) print(page);
    else world.out(proofText(page));
  });
  verb(proof, 'replay <task>', 'Run the proof again from nothing, and compare').action(async (name: string, flags: Flags) => {
    const replay = await call<Replay>({ ...flags, timeout: String(REPLAY_TIMEOUT_MS) }, 'proof.replay', named(name, flags));
    if (flags.json) print(replay);
    else {
      const rows = replay.gates.map(({ gate, before, again, why }) => [gate, before, again, why.slice(0, 100)]);
      world.out(`${table(['gate', 'then', 'now', 'seen now'], rows)}${replay.same ? 'The same judgement.' : 'Not the same.'}\n`);
    }
    if (!replay.same) throw new CliError('the gates do not say what they said before');
  });
  verb(proof, 'export <task> <file>', 'The same page as a Markdown file').action(async (name: string, path: string, flags: Flags) => {
    writeFileSync(path, proofText(await call<ProofPage>(flags, 'proof.show', named(name, flags))));
    world.out(`Written to ${path}.\n`);
  });
}
