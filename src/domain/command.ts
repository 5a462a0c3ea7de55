// A command that a task lists: an argv, never a line for a shell.

export interface ListedCommand {
  readonly argv: readonly string[];
  /** Folder, from the workspace. */
  readonly cwd?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
}

/** The commands of a task, and whether a model looks at what came of them. */
export interface CommandList {
  readonly list: readonly ListedCommand[];
  readonly withModel: boolean;
}

export const EXEC_LISTED = 'exec_listed';

/** As people read it. Nothing ever runs it in a shell. */
export function showArgv(argv: readonly string[]): string {
  return argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

/** What is said at the beginning of a run of listed commands. */
export function describeCommands({ list, withModel }: CommandList, task: string): string {
  const lines = list.map(({ argv, cwd }, i) => `${i}: ${showArgv(argv)}${cwd === undefined ? '' : ` (in ${cwd})`}`);
  const how = withModel
    ? `Run them in order with ${EXEC_LISTED}, then say what came of them.`
    : 'Every command is listed: the gateway runs them itself, without a model.';
  return [...(task === '' ? [] : [task]), 'The commands:', ...lines, how].join('\n');
}
