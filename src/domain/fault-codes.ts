// Every error the gateway can name: its sentence, wire code, HTTP status and whether asking again can help.

import { Fault } from '../kit/fault.ts';

type WireCode = 'INVALID_REQUEST' | 'UNAVAILABLE' | 'AGENT_TIMEOUT';
type Details = Readonly<Record<string, unknown>>;

interface FaultCode {
  readonly wire: WireCode;
  readonly http: number;
  /** `never`: the same request fails again. `later`: it may pass after a pause. */
  readonly retry: 'never' | 'later';
  /** What happened, where, and what to do next. */
  readonly say: (details: Details) => string;
}

const invalid = (http: number, say: FaultCode['say']): FaultCode => ({ wire: 'INVALID_REQUEST', http, retry: 'never', say });
const unavailable = (http: number, say: FaultCode['say']): FaultCode => ({ wire: 'UNAVAILABLE', http, retry: 'later', say });
const because = ({ reason }: Details) => (reason === undefined ? '' : `: ${String(reason)}`);

export const FAULT_CODES = {
  'request.invalid': invalid(400, ({ method, problem }) => `invalid ${String(method)} params: ${String(problem)}`),
  'request.refused': invalid(400, ({ reason }) => String(reason)),
  'request.unknown_method': invalid(404, ({ method }) => `unknown method: ${String(method)}`),
  'auth.missing_scope': invalid(403, ({ scope }) => `missing scope: ${String(scope)}`),
  'auth.wrong_role': invalid(403, ({ role }) => `unauthorized role: ${String(role)}`),
  'agent.unknown': invalid(404, ({ agentId }) => `unknown agent id "${String(agentId)}"`),
  'agent.no_session': invalid(400, () => 'Pass --to <E.164>, --session-id, or --agent to choose a session'),
  'agent.key_mismatch': invalid(400, ({ agentId, keyAgentId }) => `agent "${String(agentId)}" does not match session key agent "${String(keyAgentId)}"`),
  'session.not_found': invalid(404, ({ key }) => `No session found: ${String(key)}`),
  'session.key_invalid': invalid(400, ({ key }) => `session key "${String(key)}" is not valid: use main, agent:<id>:<name> or a plain name`),
  'session.label_unknown': invalid(404, ({ label }) => `No session found with label: ${String(label)}`),
  'session.label_taken': invalid(409, ({ label, key }) => `label already in use: ${String(label)} (by ${String(key)})`),
  'session.spawned_by_fixed': invalid(409, () => 'spawnedBy cannot be changed once set'),
  'session.main_kept': invalid(409, ({ key }) => `Cannot delete the main session (${String(key)}).`),
  'session.queue_full': {
    wire: 'UNAVAILABLE',
    http: 429,
    retry: 'later',
    say: ({ cap }) => `${String(cap)} messages wait for this session already: this one was not taken. Wait for an answer, or stop the run`,
  },
  'session.send_blocked': invalid(403, () => 'send blocked by session policy'),
  'run.not_found': invalid(404, ({ id }) => `no run "${String(id)}": list runs with the method runs.list`),
  'lane.full': {
    wire: 'UNAVAILABLE',
    http: 429,
    retry: 'later',
    say: ({ lane }) => `too much work waits in the lane "${String(lane)}": nothing was queued. Try again in a minute, or cancel what waits`,
  },
  'run.not_in_session': invalid(400, () => 'runId does not match sessionKey'),
  'pairing.unknown_code': invalid(
    404,
    ({ channel, code }) => `no open request of ${String(channel)} has the code ${String(code)}: see clawdbot pairing list ${String(channel)}`,
  ),
  'channel.unknown': invalid(400, ({ channel }) => `Unknown channel: ${String(channel)}`),
  'channel.target': invalid(400, ({ target, channel }) => `Unknown target "${String(target)}" for ${String(channel)}.`),
  'channel.refused': invalid(403, ({ rule }) => `this message is not sent: ${String(rule)}`),
  'spawn.not_found': invalid(404, ({ name }) => `no spawn "${String(name)}": list spawns with clawdbot spawn list`),
  'task.not_found': invalid(404, ({ name }) => `no task "${String(name)}": list tasks with clawdbot task list`),
  'task.ambiguous': invalid(409, ({ name, projects }) => `several projects have a task "${String(name)}" (${String(projects)}): name its project too`),
  'task.exists': invalid(409, ({ name, project }) => `there is a task "${String(name)}" in the project "${String(project)}" already`),
  'task.unspecified': invalid(
    409,
    ({ name }) =>
      `nobody has said what ${String(name)} must prove and in which repository: clawdbot task spec ${String(name)} (a proof never guesses a folder)`,
  ),
  'task.unproved': invalid(409, ({ name }) => `no gate has looked at ${String(name)} yet: there is nothing to compare with`),
  'proof.stalled': invalid(409, ({ why }) => `the proof cannot be run: ${String(why)}`),
  'verdict.refused': invalid(403, ({ name, rule }) => `the verdict on ${String(name)} is refused: ${String(rule)}`),
  'plan.not_found': invalid(404, ({ name }) => `no plan, epic or story "${String(name)}": list them with clawdbot plan tree`),
  'plan.exists': invalid(409, ({ name }) => `there is a "${String(name)}" already: leave the name out, and one is given`),
  'plan.refused': invalid(403, ({ name, action, rule }) => `${String(action)} ${String(name)} is refused: ${String(rule)}`),
  'plan.parent': invalid(409, ({ kind, parent, name }) => `a ${String(kind)} stands under ${String(parent)}: ${String(name)} is none`),
  'plan.cycle': invalid(409, ({ path }) => `these would wait for each other: ${String(path)}`),
  'incident.not_found': invalid(404, ({ id }) => `no incident "${String(id)}": list them with clawdbot incident list`),
  'task.refused': invalid(403, ({ name, to, rule }) => `${String(name)} cannot become ${String(to)}: ${String(rule)}`),
  'file.no_version': invalid(404, ({ path }) => `no such version of "${String(path)}" is kept: see clawdbot workspace history ${String(path)}`),
  'message.not_found': invalid(404, ({ name }) => `no message "${String(name)}": list messages with clawdbot inbox list`),
  'why.unknown': invalid(404, ({ id }) => `nothing is called "${String(id)}": give the id, key or name of a run, session, spawn, job, task or message`),
  'budget.unknown': invalid(404, ({ scope }) => `no budget "${String(scope)}": use day, run, agent:<id>, role:<name> or job:<id> (clawdbot usage)`),
  'cron.unknown': { wire: 'UNAVAILABLE', http: 404, retry: 'never', say: ({ id }) => `Error: unknown cron job id: ${String(id)}` },
  'cron.ambiguous': invalid(409, ({ name }) => `several cron jobs are called "${String(name)}": name one by its id (clawdbot cron list)`),
  'cron.removed': invalid(409, ({ id }) => `the cron job ${String(id)} was removed: add it under a new id`),
  'cron.invalid': {
    wire: 'UNAVAILABLE',
    http: 400,
    retry: 'never',
    say: ({ reason }) => (String(reason).startsWith('TypeError') ? String(reason) : `Error: ${String(reason)}`),
  },
  'approval.unknown': invalid(404, () => 'unknown approval id'),
  'device.unknown': invalid(404, () => 'unknown deviceId/role'),
  'device.request_unknown': invalid(404, () => 'unknown requestId'),
  'config.base_missing': invalid(409, () => 'config base hash required; re-run config.get and retry'),
  'config.base_stale': invalid(409, () => 'config changed since last load; re-run config.get and retry'),
  'config.invalid': invalid(400, (details) => `invalid config${because(details)}`),
  'config.path_unknown': invalid(404, ({ path }) => `Config path not found: ${String(path)}`),
  'config.removal': invalid(
    409,
    ({ lost }) =>
      `this write would remove ${String(lost)}. Nothing was written. Repeat it with allowRemoval: true (command line: --allow-removal) if you mean it`,
  ),
  'config.not_editable': invalid(409, (details) => `the configuration file cannot be edited in place${because(details)}. Edit it by hand`),
  'config.revision_unknown': invalid(
    404,
    ({ revision }) => `no revision "${String(revision)}" of the configuration is kept: list them with clawdbot config history`,
  ),
  'config.not_written': unavailable(500, (details) => `the configuration could not be written${because(details)}. The file is as it was`),
  'feature.absent': unavailable(501, ({ what }) => `${String(what)} is not available in this version of the gateway`),
  'node.not_connected': unavailable(503, () => 'node not connected'),
  'tool.failed': invalid(400, ({ reason }) => String(reason)),
  'tool.unknown': invalid(404, ({ tool }) => `Tool not available: ${String(tool)}`),
  'auth.too_many_failures': {
    wire: 'UNAVAILABLE',
    http: 429,
    retry: 'later',
    say: ({ seconds }) => `too many failed attempts: try again in ${String(seconds)} s`,
  },
  'lease.stale': invalid(409, ({ run }) => `the lease of ${String(run)} is no longer held: another attempt owns the run, so this write changed nothing`),
  'store.full': unavailable(507, () => 'the disk is full: nothing was written. Free some space; the gateway goes on by itself'),
  'store.failed': unavailable(503, (details) => `the store could not carry out the request${because(details)}`),
  'store.unreachable': unavailable(
    503,
    ({ reason }) => `PostgreSQL cannot be reached (${String(reason)}): nothing was changed. The gateway goes on by itself when it can`,
  ),
  'store.closed': unavailable(503, () => 'the store is closed: the gateway is stopping'),
  'store.op_unknown': invalid(404, ({ op }) => `no store operation "${String(op)}"`),
  'store.op_forbidden': invalid(403, ({ op }) => `a worker may not call the store operation "${String(op)}"`),
  'gateway.unexpected': unavailable(500, (details) => `unexpected error${because(details)}. The log has the details`),
  'model.rate_limited': unavailable(429, (details) => `the model provider is rate limiting${because(details)}`),
  'model.overloaded': unavailable(503, (details) => `the model provider is overloaded${because(details)}`),
  'model.auth': invalid(401, (details) => `the model provider refused the credential${because(details)}. Check the API key or sign in again`),
  'model.billing': invalid(402, (details) => `the model provider refused for billing reasons${because(details)}`),
  'model.invalid': invalid(400, (details) => `the model provider refused the request as invalid${because(details)}`),
  'model.not_found': invalid(404, (details) => `the model is not available to this credential${because(details)}`),
  'model.network': unavailable(502, (details) => `the model provider could not be reached${because(details)}`),
  'model.stalled': unavailable(504, ({ idleMs }) => `the model sent nothing for ${String(idleMs)} ms; the call was given up`),
  'model.circuit_open': unavailable(503, ({ circuit }) => `${String(circuit)} failed again and again; it is left alone for a while and then tried once`),
  'model.no_credential': invalid(
    400,
    ({ provider }) =>
      `no credential for the model provider "${String(provider)}": set ${String(provider).toUpperCase().replaceAll('-', '_')}_API_KEY, or add models.providers.${String(provider)}.apiKey to clawdbot.json, or try without a key: clawdbot simulator`,
  ),
  'model.unknown_provider': invalid(
    400,
    ({ provider }) => `unknown model provider "${String(provider)}": add models.providers.${String(provider)} with baseUrl and api to clawdbot.json`,
  ),
  'model.all_failed': unavailable(502, ({ attempts }) => `All models failed: ${String(attempts)}`),
  'run.timed_out': { wire: 'AGENT_TIMEOUT', http: 504, retry: 'later', say: ({ seconds }) => `the run passed its limit of ${String(seconds)} s` },
  'run.too_many_steps': invalid(422, ({ steps }) => `the agent took ${String(steps)} steps without an answer; the run was ended`),
  'tool.refused': invalid(403, (details) => String(details['reason'])),
  'sandbox.unavailable': invalid(
    503,
    (details) =>
      `exec is refused: the configured sandbox (${String(details['level'])}) is not available here${because(details)}. Install bubblewrap (Debian/Ubuntu: apt install bubblewrap), or, to run commands without a sandbox, set agents.defaults.sandbox.mode to "off"`,
  ),
} as const satisfies Record<string, FaultCode>;

type FaultCodeName = keyof typeof FAULT_CODES;

const FALLBACK: FaultCode = FAULT_CODES['gateway.unexpected'];

const MAX_SENTENCE = 2000;

export function fault(code: FaultCodeName, details: Details = {}): Fault {
  const said = FAULT_CODES[code].say(details);
  return new Fault(code, said.length > MAX_SENTENCE ? `${said.slice(0, MAX_SENTENCE)} …` : said, details); // what was sent is not sent back whole
}

/** Wire code, HTTP status and retry advice of a fault, whoever made it. */
export function adviceFor(code: string): Pick<FaultCode, 'wire' | 'http' | 'retry'> {
  return (FAULT_CODES as Record<string, FaultCode>)[code] ?? FALLBACK;
}
