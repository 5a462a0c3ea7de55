// The checks of clawdbot doctor. Each looks, changes nothing, and says what it saw and what to do.

import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readConfigFile } from '../../adapters/config/load.ts';
import { createSandboxPicker } from '../../adapters/sandbox/catalog.ts';
import { agentIds, type Config } from '../../domain/config.ts';
import { modelChain } from '../../domain/model.ts';
import { ROLES } from '../../domain/role.ts';
import { rolePolicy } from '../../domain/team.ts';
import { sandboxChoice } from '../../domain/tool.ts';
import { WORKSPACE_ID } from '../../domain/workspace.ts';
import type { DoctorFinding } from '../../doors/cli/world.ts';
import { listSessions } from '../../features/sessions/ops.ts';
import { messageOf } from '../../kit/fault.ts';
import { baseEnvironment, type Environment } from '../environment.ts';
import { hostOf } from '../state.ts';
import { configOf, credentialOf } from './facts.ts';
import { openReader } from './reader.ts';

interface Patient {
  readonly environment: Environment;
  readonly config: Config;
  readonly running: { readonly pid: number; readonly port: number } | undefined;
}

type Check = (patient: Patient) => readonly DoctorFinding[] | Promise<readonly DoctorFinding[]>;

const MIN_FREE_BYTES = 500_000_000;
const SHORTEST_TOKEN = 24;

export async function examine(environment: Environment, running: Patient['running']): Promise<readonly DoctorFinding[]> {
  const patient = { environment, config: configOf(environment), running };
  const found = await Promise.all(
    CHECKS.map(async (check) => {
      try {
        return await check(patient);
      } catch (error) {
        return [
          finding(
            'doctor.check-failed',
            'warning',
            `a check could not be made: ${messageOf(error)}`,
            'Make what it names readable for this user and run doctor again',
          ),
        ];
      }
    }),
  );
  return found.flat();
}

function finding(id: string, severity: DoctorFinding['severity'], evidence: string, fix: string): DoctorFinding {
  return { id, severity, evidence, fix };
}

const configuration: Check = ({ environment: { configPath: path, variables } }) => {
  const { raw, issues, warnings } = readConfigFile({ path, variables });
  if (raw === undefined && issues.length === 0)
    return [finding('config.missing', 'info', `${path} does not exist`, 'Start the gateway once: it writes one with a fresh token')];
  return [
    ...issues.map((issue) =>
      finding(
        'config.invalid',
        'error',
        `${issue.path === '' ? path : issue.path}: ${issue.message}`,
        `Mend ${path}, or put the last good one back: clawdbot config undo`,
      ),
    ),
    ...warnings.map((warning) =>
      /unknown key/.test(warning.message)
        ? finding(
            'config.unknown-key',
            'warning',
            `${warning.path}: ${warning.message}`,
            `Correct the name, or remove it: clawdbot config unset ${warning.path}`,
          )
        : finding('config.unused', 'info', `${warning.path}: ${warning.message}`, 'Nothing to do'),
    ),
  ];
};

const permissions: Check = ({ environment: { stateDir, configPath } }) =>
  [stateDir, configPath, join(stateDir, 'gateway.sqlite')].flatMap((path) => {
    if (!existsSync(path)) return [];
    const { mode, uid } = statSync(path);
    const foreign = process.getuid !== undefined && uid !== process.getuid();
    return [
      ...((mode & 0o077) !== 0
        ? [
            finding(
              'state.permissions',
              'warning',
              `${path} can be read by others (mode ${(mode & 0o777).toString(8)})`,
              `chmod ${path === stateDir ? '700' : '600'} ${path}`,
            ),
          ]
        : []),
      ...(foreign
        ? [
            finding(
              'state.owner',
              'warning',
              `${path} belongs to another user (uid ${uid})`,
              `Run the gateway as that user, or: chown -R ${process.getuid?.()} ${stateDir}`,
            ),
          ]
        : []),
    ];
  });

const disk: Check = ({ environment: { stateDir } }) => {
  if (!existsSync(stateDir)) return [];
  const { bavail, bsize } = statfsSync(stateDir);
  const free = bavail * bsize;
  if (free >= MIN_FREE_BYTES) return [];
  return [
    finding(
      'disk.low',
      'error',
      `${Math.round(free / 1e6)} MB are free on the disk of ${stateDir}`,
      'Free some space: a full disk stops every order until there is room',
    ),
  ];
};

const store: Check = async ({ environment: { stateDir }, config }) => {
  const { url } = config.store;
  const where = url === undefined ? join(stateDir, 'gateway.sqlite') : hostOf(url);
  try {
    const reader = await openReader(stateDir, config);
    if (!reader) return [];
    await reader.call(listSessions, { workspaceId: WORKSPACE_ID, since: 0, limit: 1 });
    await reader.close();
    return [];
  } catch (error) {
    return [
      finding(
        'store.unreadable',
        'error',
        `${where}: ${messageOf(error)}`,
        url !== undefined
          ? 'See that PostgreSQL runs, and that store.url names it and its user'
          : 'Start the gateway: it brings an older store up to date. If it refuses, put back a backup or move the file away',
      ),
    ];
  }
};

const presence: Check = async ({ environment, config, running }) => {
  const port = running?.port ?? environment.port ?? config.gateway.port;
  const answers = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2000) }).then(
    async (response) => ((await response.text()).startsWith('{"ok":true') ? 'ours' : 'other'),
    () => 'nobody',
  );
  if (running && answers !== 'ours')
    return [
      finding(
        'gateway.silent',
        'error',
        `the gateway (PID ${running.pid}) does not answer on port ${port}`,
        'Look at the log (clawdbot logs), then: clawdbot gateway stop, clawdbot gateway',
      ),
    ];
  if (!running && answers !== 'nobody')
    return [
      finding(
        'gateway.port-taken',
        'error',
        `another program answers on port ${port}`,
        'Stop it (an original Clawdbot: systemctl --user stop clawdbot-gateway), or choose another port with gateway.port',
      ),
    ];
  return running ? [] : [finding('gateway.down', 'info', 'no gateway of this state is running', 'Start one with: clawdbot gateway')];
};

const access: Check = ({ config: { gateway, hooks } }) => {
  const { token, password, mode } = gateway.auth;
  return [
    ...(mode === 'token' && token !== undefined && token.length < SHORTEST_TOKEN
      ? [
          finding(
            'gateway.token-short',
            'warning',
            `gateway.auth.token has ${token.length} characters`,
            'clawdbot config set gateway.auth.token "$(openssl rand -hex 32)"',
          ),
        ]
      : []),
    ...(mode === 'password' && password === undefined
      ? [finding('gateway.no-password', 'warning', 'gateway.auth.mode is password, and there is none: the token is asked for', 'Set gateway.auth.password')]
      : []),
    ...(gateway.bind !== 'loopback'
      ? [
          finding(
            'gateway.exposed',
            'warning',
            `gateway.bind is "${gateway.bind}": other machines reach the port, without encryption`,
            'Use loopback with an SSH tunnel, or put a TLS proxy in front',
          ),
        ]
      : []),
    ...(hooks.enabled && hooks.token === undefined
      ? [finding('hooks.no-token', 'warning', 'hooks.enabled is true and hooks.token is missing: the hooks stay closed', 'Set hooks.token')]
      : []),
  ];
};

const sandbox: Check = async ({ config }) => {
  const pick = await createSandboxPicker(baseEnvironment()['PATH'] ?? '');
  return agentIds(config).flatMap((agentId) => {
    const choice = sandboxChoice(config, agentId);
    const picked = pick(choice);
    if (!picked.ok) return [finding('sandbox.missing', 'error', `agent ${agentId}: ${picked.refusal}`, 'apt install bubblewrap')];
    if (picked.sandbox.level !== 'none') return [];
    return [
      finding(
        'sandbox.off',
        'warning',
        `commands of agent ${agentId} run with your own rights (sandbox ${choice})`,
        'clawdbot config set agents.defaults.sandbox.mode all',
      ),
    ];
  });
};

const models: Check = async ({ environment, config }) => {
  const refs = agentIds(config).flatMap((agentId) => modelChain(config, agentId, null));
  const replaced = refs.flatMap(({ provider, model, writtenAs }) =>
    writtenAs?.includes('/')
      ? [finding('model.replaced', 'info', `"${writtenAs}" is served as ${provider}/${model}`, `clawdbot models set ${provider}/${model}`)]
      : [],
  );
  const missing = await Promise.all(
    [...new Set(refs.map(({ provider }) => provider))].map(async (provider) => {
      const { kind, detail } = await credentialOf(config, environment, provider);
      return kind === 'missing' ? [finding('model.credential', 'error', `no credential for ${provider}`, detail)] : [];
    }),
  );
  return [...replaced, ...missing.flat()];
};

const service: Check = ({ environment: { home } }) => {
  const unit = join(home, '.config', 'systemd', 'user', 'clawdbot-gateway.service');
  if (!existsSync(unit)) return [];
  const text = readFileSync(unit, 'utf8');
  return [
    ...(/^Environment=.*CLAWDBOT_GATEWAY_TOKEN=/m.test(text)
      ? [
          finding(
            'service.token-in-unit',
            'warning',
            `${unit} holds the token where every process of this user can read it`,
            'clawdbot gateway install takes the unit over and moves the token into a file of its own',
          ),
        ]
      : []),
    ...(/^KillMode=process/m.test(text)
      ? [
          finding(
            'service.kill-mode',
            'warning',
            `${unit} says KillMode=process: commands of agents outlive a stop`,
            'clawdbot gateway install takes the unit over',
          ),
        ]
      : []),
  ];
};

/** What the original has left, and what roles ask for. */
const team: Check = async ({ environment, config }) => {
  const left = agentIds(config).filter((agentId) => existsSync(join(environment.stateDir, 'agents', agentId, 'sessions', 'sessions.json')));
  const wantClaude = ROLES.some((role) => rolePolicy(config, role).runtime === 'claude-code' && config.agents.list.some((agent) => agent.role === role));
  const claude = wantClaude ? (await import('./runtime-install.ts')).installedClaude(environment) : '';
  return [
    ...(left.length > 0 && !existsSync(join(environment.stateDir, 'imported'))
      ? [
          finding(
            'original.sessions',
            'info',
            `sessions of the original lie in ${environment.stateDir}/agents`,
            `clawdbot import ${environment.stateDir} --dry-run, then without --dry-run`,
          ),
        ]
      : []),
    ...(claude === undefined
      ? [
          finding(
            'runtime.claude-missing',
            'info',
            'a role has the runtime claude-code, and there is no claude command: the gateway drives its turns itself',
            'clawdbot runtime install',
          ),
        ]
      : []),
  ];
};

const CHECKS: readonly Check[] = [configuration, permissions, disk, store, presence, access, sandbox, models, service, team];
