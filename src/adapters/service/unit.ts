// The systemd unit of the gateway as text: written, and read again to see whose it is.

export interface UnitFacts {
  readonly version: string;
  readonly node: string;
  readonly program: string;
  readonly port: number;
  readonly home: string;
  readonly path: string;
  /** Variables that name another state or configuration. */
  readonly variables: Readonly<Record<string, string>>;
  readonly stateDir: string;
  /** File with the token, mode 0600, where the configuration has none. */
  readonly tokenFile: string | undefined;
  readonly drainSeconds: number;
}

const MARKER = 'X-ClawdbotService=gateway';
const WATCHDOG_SECONDS = 30;

/** What the original lacks: readiness and watchdog, an end of all its processes, no token in the environment, no restart of what cannot run. */
export function renderUnit({ version, node, program, port, home, path, variables, stateDir, tokenFile, drainSeconds }: UnitFacts): string {
  const environment = { HOME: home, PATH: path, ...variables };
  return `[Unit]
Description=Clawdbot Gateway (v${version})
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=120
StartLimitBurst=10
${MARKER}

[Service]
Type=notify
NotifyAccess=all
ExecStart=${[node, program].map(quote).join(' ')} gateway --port ${port}
${Object.entries(environment)
  .map(([name, value]) => `Environment=${quote(`${name}=${value}`)}`)
  .join('\n')}
EnvironmentFile=-${literal(`${stateDir}/service.env`)}
${tokenFile === undefined ? '' : `LoadCredential=gateway-token:${literal(tokenFile)}\n`}Restart=always
RestartSec=1
RestartPreventExitStatus=78
WatchdogSec=${WATCHDOG_SECONDS}
TimeoutStartSec=90
TimeoutStopSec=${drainSeconds + 20}
KillMode=mixed
OOMPolicy=continue
UMask=0077
LimitNOFILE=65536

[Install]
WantedBy=default.target
`;
}

function literal(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('%', '%%');
}

function quote(text: string): string {
  return `"${literal(text).replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`;
}

export interface ReadUnit {
  /** Whether this program wrote it. */
  readonly isOurs: boolean;
  readonly command: string;
  readonly port: number | undefined;
  /** A token in its environment, where everybody can read it. */
  readonly token: string | undefined;
}

export function readUnit(text: string): ReadUnit {
  const command = /^ExecStart=(.*)$/m.exec(text)?.[1] ?? '';
  const port = /--port[ =]"?(\d+)/.exec(command)?.[1] ?? /CLAWDBOT_GATEWAY_PORT=(\d+)/.exec(text)?.[1];
  const token = /^Environment="?CLAWDBOT_GATEWAY_TOKEN=([^"\n]+)"?/m.exec(text)?.[1];
  return { isOurs: text.includes(MARKER), command, port: port === undefined ? undefined : Number(port), token: token?.trim() };
}
