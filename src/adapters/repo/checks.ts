// Checks of work in a clean tree, outside any test runner: a command, a file, the links of a document, a request to a service, a picture of a page.

import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import type { ProofCheck } from '../../domain/proof.ts';
import type { CommandResult } from '../../ports/repo.ts';

const SHOWN = 300;

interface CheckWorld {
  /** Runs a command in the sandbox. */
  readonly run: (argv: readonly string[]) => Promise<CommandResult>;
  /** Keeps a picture under its digest, and answers that. */
  readonly keep: (picture: Buffer) => string;
}

/** Whether a check holds in a tree, and what was seen. */
export async function carryOut(check: ProofCheck, tree: string, { run, keep }: CheckWorld): Promise<{ ok: boolean; seen: string }> {
  if (check.kind === 'file') return lookAt(check, tree);
  if (check.kind === 'link') return followLinks(tree, check.path);
  if (check.kind === 'http') return askService(check, run);
  if (check.kind === 'screenshot') return photograph(check, tree, { run, keep });
  const { code, stdout, stderr, timedOut } = await run(check.argv);
  if (timedOut) return { ok: false, seen: 'it did not end in time' };
  const said = (stdout.trim() === '' ? stderr : stdout).trim().slice(-SHOWN);
  if (code !== check.expectExit) return { ok: false, seen: `exit code ${code ?? 'none'}, expected ${check.expectExit}${said === '' ? '' : ` (${said})`}` };
  if (check.expectStdout !== undefined && !stdout.includes(check.expectStdout))
    return { ok: false, seen: `the output does not hold "${check.expectStdout}" (${said})` };
  return { ok: true, seen: `exit code ${code}` };
}

/** A plain file inside the tree, or undefined. */
function fileIn(tree: string, path: string): string | undefined {
  const whole = resolve(tree, path);
  if (!whole.startsWith(tree + sep) || !existsSync(whole) || !lstatSync(whole).isFile()) return undefined;
  return realpathSync(whole).startsWith(realpathSync(tree) + sep) ? readFileSync(whole, 'utf8') : undefined;
}

function lookAt({ path, contains, absent = false }: Extract<ProofCheck, { kind: 'file' }>, tree: string): { ok: boolean; seen: string } {
  const text = fileIn(tree, path);
  if (text === undefined) return { ok: absent, seen: `${path} is not there` };
  if (contains === undefined) return { ok: !absent, seen: `${path} is there` };
  const holds = text.includes(contains);
  return { ok: holds !== absent, seen: `${path} ${holds ? 'holds' : 'does not hold'} "${contains.slice(0, 80)}"` };
}

const LINK = /\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\s*\[[^\]]+\]:\s+<?(\S+?)>?\s*$/gm;

/** Links out of the repository are not followed: a proof has no network. */
function followLinks(tree: string, path: string): { ok: boolean; seen: string } {
  const text = fileIn(tree, path);
  if (text === undefined) return { ok: false, seen: `${path} is not there` };
  const plain = text.replace(/```[\s\S]*?```|`[^`\n]*`/g, '');
  const targets = [...plain.matchAll(LINK)].map(([, inline, reference]) => inline ?? reference ?? '');
  const broken: string[] = [];
  for (const target of targets) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith('//')) continue;
    const [file = '', anchor] = target.split('#');
    const inside = file === '' ? path : join(file.startsWith('/') ? '.' : dirname(path), decodeURIComponent(file));
    const whole = resolve(tree, inside.replace(/^\/+/, ''));
    if (!(whole === tree || whole.startsWith(tree + sep)) || !existsSync(whole)) broken.push(target);
    else if (
      anchor !== undefined &&
      anchor !== '' &&
      /\.md$/i.test(inside) &&
      !headingsOf(fileIn(tree, inside) ?? '').has(decodeURIComponent(anchor).toLowerCase())
    )
      broken.push(target);
  }
  return broken.length === 0
    ? { ok: true, seen: `${targets.length} links lead somewhere` }
    : { ok: false, seen: `lead nowhere: ${broken.slice(0, 8).join(', ')}` };
}

/** Anchors of a document, as they are made from its headings. */
function headingsOf(text: string): Set<string> {
  const headings = [...text.replace(/```[\s\S]*?```/g, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
  return new Set(headings);
}

/** Runs in the sandbox: starts a service on a free port, waits until somebody listens, and does something with it. */
const WITH_SERVICE = `
const net = require('node:net');
const { spawn, spawnSync } = require('node:child_process');
const { argv: [, text], env } = process;
const order = JSON.parse(text);
const probe = net.createServer().listen(0, '127.0.0.1', () => {
  const { port } = probe.address();
  probe.close(async () => {
    const service = spawn(order.start[0], order.start.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], env: { ...env, PORT: String(port), HOST: '127.0.0.1' } });
    let said = '';
    let ended = false;
    service.stderr.on('data', (data) => { said = (said + data).slice(-2000); });
    service.on('error', (error) => { said += error.message; ended = true; });
    service.on('exit', () => { ended = true; });
    const tell = (answer) => { process.stdout.write(JSON.stringify(answer)); service.kill('SIGKILL'); process.exit(0); };
    const listens = () => new Promise((done) => {
      const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); done(true); });
      socket.on('error', () => done(false));
    });
    for (let n = 0; !(await listens()); n++) {
      if (ended || n > 200) return tell({ problem: 'the service does not listen on the port that PORT names' + (said ? ': ' + said.trim() : '') });
      await new Promise((done) => setTimeout(done, 50));
    }
    const url = 'http://127.0.0.1:' + port + order.path;
    if (order.kind === 'http') {
      try {
        const answer = await fetch(url, { method: order.method, redirect: 'manual', signal: AbortSignal.timeout(20000) });
        return tell({ status: answer.status, body: (await answer.text()).slice(0, 1000000) });
      } catch (error) {
        return tell({ problem: String(error.cause ?? error) });
      }
    }
    const common = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars', '--user-data-dir=/tmp/browser'];
    const browser = ['/usr/lib/chromium/chromium', 'chromium', 'chromium-browser', 'google-chrome'].find((name) => spawnSync(name, ['--version']).status === 0);
    if (!browser) return tell({ problem: 'there is no Chromium on this machine: apt install chromium' });
    const shots = [];
    for (const [width, height] of order.viewports) {
      const file = '.shot-' + width + 'x' + height + '.png';
      const { status, stderr } = spawnSync(browser, [...common, '--screenshot=' + file, '--window-size=' + width + ',' + height, '--virtual-time-budget=5000', url], { timeout: 40000, encoding: 'utf8' });
      if (status !== 0) return tell({ problem: 'no picture at ' + width + 'x' + height + ': ' + String(stderr).trim().slice(-300) });
      shots.push(file);
    }
    const { stdout } = spawnSync(browser, [...common, '--dump-dom', '--virtual-time-budget=5000', url], { timeout: 40000, encoding: 'utf8' });
    tell({ shots, text: String(stdout).replace(/<(script|style)[\\s\\S]*?<\\/\\1>/gi, ' ').replace(/<[^>]+>/g, ' ').replace(/\\s+/g, ' ').slice(0, 1000000) });
  });
});
`;

interface ServiceAnswer {
  readonly problem?: string;
  readonly status?: number;
  readonly body?: string;
  readonly shots?: readonly string[];
  readonly text?: string;
}

async function withService(order: Extract<ProofCheck, { kind: 'http' | 'screenshot' }>, run: CheckWorld['run']): Promise<ServiceAnswer> {
  const { stdout, stderr, timedOut } = await run(['node', '-e', WITH_SERVICE, JSON.stringify(order)]);
  if (timedOut) return { problem: 'it did not end in time' };
  try {
    return JSON.parse(stdout) as ServiceAnswer; // written by the script above
  } catch {
    return { problem: `no answer (${(stderr || stdout).trim().slice(-SHOWN)})` };
  }
}

async function askService(check: Extract<ProofCheck, { kind: 'http' }>, run: CheckWorld['run']): Promise<{ ok: boolean; seen: string }> {
  const { problem, status, body = '' } = await withService(check, run);
  if (problem !== undefined) return { ok: false, seen: problem };
  if (status !== check.expectStatus) return { ok: false, seen: `status ${status}, expected ${check.expectStatus}` };
  if (check.expectBody !== undefined && !body.includes(check.expectBody))
    return { ok: false, seen: `the body does not hold "${check.expectBody}" (${body.trim().slice(0, SHOWN)})` };
  return { ok: true, seen: `status ${status}` };
}

const PNG = Buffer.from('89504e470d0a1a0a', 'hex');

/** Pictures are for people: what the gate itself looks at is that the page comes, and the text on it. */
async function photograph(check: Extract<ProofCheck, { kind: 'screenshot' }>, tree: string, { run, keep }: CheckWorld): Promise<{ ok: boolean; seen: string }> {
  const { problem, shots = [], text = '' } = await withService(check, run);
  if (problem !== undefined) return { ok: false, seen: problem };
  const pictures: string[] = [];
  for (const name of shots) {
    const file = join(tree, name);
    const bytes = existsSync(file) && lstatSync(file).isFile() ? readFileSync(file) : Buffer.alloc(0);
    if (!bytes.subarray(0, PNG.length).equals(PNG)) return { ok: false, seen: `${name} is no picture` };
    pictures.push(`${name.replace(/^\.shot-|\.png$/g, '')} ${keep(bytes)}`);
  }
  if (check.expectText !== undefined && !text.includes(check.expectText))
    return { ok: false, seen: `the page does not show "${check.expectText}" (${text.trim().slice(0, SHOWN)})` };
  return { ok: true, seen: `pictures: ${pictures.join(', ')}` };
}
