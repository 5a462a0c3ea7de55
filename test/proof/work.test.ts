// Work of other kinds: repositories that need packages, documents without tests, what is looked at outside the runner, tests that take too much.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { request } from 'node:http';
import { it } from 'node:test';
import { openEgress } from '../../src/adapters/egress/proxy.ts';
import { settles, specified, team } from '../support/proof-team.ts';
import { proofOf, refused } from '../support/prove.ts';
import { startRegistry } from '../support/registry.ts';
import { AC, BASE, GREEN, RED, type TinyRepo } from '../support/tiny-repo.ts';

const honest = (repo: TinyRepo) => ({ red: repo.commit('red', RED), green: repo.commit('green', GREEN) });

it('packages are installed once from the registry alone, without their scripts, and the tests have no network', async (t) => {
  const registry = await startRegistry(t);
  const lockOf = (resolved: string) => ({
    'package.json': '{ "name": "shop", "type": "module", "dependencies": { "left": "1.0.0" } }\n',
    'package-lock.json': JSON.stringify({
      name: 'shop',
      lockfileVersion: 3,
      packages: {
        '': { name: 'shop', dependencies: { left: '1.0.0' } },
        'node_modules/left': { version: '1.0.0', resolved, integrity: registry.integrity, hasInstallScript: true },
      },
    }),
  });
  const base = { ...BASE, ...lockOf(`${registry.url}left/-/left-1.0.0.tgz`) };
  const red = {
    'test/discount.test.js': `import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { left } from 'left';
import { price } from '../src/price.js';
test('ten or more are cheaper', () => {
  assert.equal(left(price(10, 10)), '   90');
  assert.equal(left(price(20, 5)), '   90');
  assert.equal(price(9, 10), 90);
  assert.equal(existsSync(createRequire(import.meta.url).resolve('left').replace('index.js', 'was-run')), false);
});
test('there is no network', async () => {
  await assert.rejects(fetch('${registry.url}'));
});
`,
  };
  const { proof } = await proofOf(t, (repo) => ({ red: repo.commit('red', red), green: repo.commit('green', GREEN) }), {}, { base, registry: registry.url });
  assert.equal(proof.word, 'proved', JSON.stringify(proof.gates.at(-1)));
  assert.deepEqual(registry.requests().filter((path) => path.endsWith('.tgz')).length, 1, 'installed once, for all runs');

  const elsewhere = { ...BASE, ...lockOf('http://127.0.0.1:9/left-1.0.0.tgz') };
  await assert.rejects(proofOf(t, honest, {}, { base: elsewhere, registry: registry.url }), /its packages cannot be installed \(npm ci\)/);
});

it('the way out lets through what it names, with the credential, and no name that leads inside', async (t) => {
  const registry = await startRegistry(t);
  const { host } = new URL(registry.url);
  const egress = await openEgress({ allow: [host, 'localtest.invalid:80'], maxBytes: 100_000, idleMs: 5000 });
  t.after(() => egress.close());
  const ask = (url: string, token = egress.token) =>
    new Promise<number>((resolve, reject) => {
      const headers = { 'proxy-authorization': `Basic ${Buffer.from(`run:${token}`).toString('base64')}`, host: new URL(url).host };
      const asked = request({ socketPath: egress.socket, path: url, headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      asked.once('error', reject);
      asked.end();
    });
  assert.equal(await ask(`${registry.url}left`), 200);
  assert.equal(await ask(`${registry.url}left`, 'x'.repeat(egress.token.length)), 407);
  assert.equal(await ask('http://127.0.0.1:1/'), 403);
  assert.equal(await ask('http://localtest.invalid/'), 403);
  assert.deepEqual(egress.refused(), ['127.0.0.1:1']);
  const small = await openEgress({ allow: [host], maxBytes: 10, idleMs: 5000 });
  t.after(() => small.close());
  const cut = new Promise((resolve) => {
    const headers = { 'proxy-authorization': `Basic ${Buffer.from(`run:${small.token}`).toString('base64')}` };
    request({ socketPath: small.socket, path: `${registry.url}left`, headers }, (answer) => {
      answer.once('error', () => resolve('cut'));
      answer.once('end', () => resolve('whole'));
      answer.resume();
    })
      .once('error', () => resolve('cut'))
      .end();
  });
  assert.equal(await cut, 'cut');
});

it('documents are proved by their checks: they hold at the work, and did not before', async (t) => {
  const checks = [
    { criterion: 'AC-1', check: { kind: 'link', path: 'docs/guide.md' } },
    { criterion: 'AC-1', check: { kind: 'file', path: 'docs/guide.md', contains: '## Prices' } },
    { criterion: 'AC-2', check: { kind: 'command', argv: ['node', '--check', 'docs/example.js'], expectExit: 0 } },
  ] as const;
  const guide = '# Guide\n\n## Prices\n\nSee [the source](../src/price.js), [above](#prices) and [the web](https://example.org/x).\n';
  const write =
    (text: string, more = {}) =>
    (repo: TinyRepo) => {
      const base = repo.git('rev-parse', 'HEAD');
      return { acToTests: {}, red: base, green: repo.commit('docs', { 'docs/guide.md': text, 'docs/example.js': 'export const a = 1;\n', ...more }) };
    };
  const policy = { command: undefined, checks };
  const good = await proofOf(t, write(guide), policy);
  assert.equal(good.proof.word, 'proved', JSON.stringify(good.proof.gates.at(-1)));
  assert.deepEqual(
    good.proof.gates.map(({ gate }) => gate),
    ['G0', 'G9', 'G10'],
  );
  refused(
    await proofOf(t, write(guide.replace('../src/price.js', '../src/prize.js')), policy),
    'G10',
    /link docs\/guide\.md: lead nowhere: \.\.\/src\/prize\.js/,
  );
  refused(await proofOf(t, write(guide.replace('#prices', '#costs')), policy), 'G10', /lead nowhere: #costs/);
  refused(await proofOf(t, write(guide, { 'docs/example.js': 'export const = 1;\n' }), policy), 'G10', /AC-2: node --check docs\/example\.js: exit code 1/);
  const idle = { command: undefined, checks: [{ criterion: 'AC-1', check: { kind: 'file', path: 'package.json' } }] } as const;
  refused(await proofOf(t, write(guide), idle), 'G10', /passes without the work too/);
});

it('what only works under the test runner is seen outside of it', async (t) => {
  const checks = [
    {
      criterion: 'AC-1',
      check: {
        kind: 'command',
        argv: ['node', '--input-type=module', '-e', "const { price } = await import(process.cwd() + '/src/price.js'); console.log(price(10, 10))"],
        expectExit: 0,
        expectStdout: '90',
      },
    },
  ] as const;
  const good = await proofOf(t, honest, { checks });
  assert.equal(good.proof.word, 'proved', JSON.stringify(good.proof.gates.at(-1)));
  const sly = {
    'src/price.js':
      "const hidden = ['NODE', 'TEST', 'CONTEXT'].join('_');\nexport function price(count, each) {\n  const full = count * each;\n  return count >= 10 && hidden in globalThis.process.env ? full * 0.9 : full;\n}\n",
  };
  refused(await proofOf(t, (repo) => ({ red: repo.commit('red', RED), green: repo.commit('green', sly) }), { checks }), 'G10', /the output does not hold "90"/);
});

it('a test that takes more memory than it may has failed', async (t) => {
  const greedy = {
    'src/price.js':
      'export function price(count, each) {\n  const full = count * each;\n  if (count >= 10) new Uint8Array(6 * 1024 ** 3).fill(1);\n  return count >= 10 ? full * 0.9 : full;\n}\n',
  };
  refused(
    await proofOf(t, (repo) => ({ acToTests: AC, red: repo.commit('red', RED), green: repo.commit('green', greedy) })),
    'G4',
    /Array buffer allocation failed/,
  );
});

const SERVER =
  "import { createServer } from 'node:http';\ncreateServer((request, response) => {\n  if (request.url === '/price') return response.end('{\"price\":90}');\n  response.setHeader('content-type', 'text/html');\n  response.end('<h1>Nothing here</h1>');\n}).listen(process.env.PORT, '127.0.0.1');\n";
const atBase = (green: Readonly<Record<string, string>>) => (repo: TinyRepo) => ({
  acToTests: {},
  red: repo.git('rev-parse', 'HEAD'),
  green: repo.commit('work', green),
});

it('a service is asked over HTTP, in the sandbox and on a port of its own', async (t) => {
  const check = { kind: 'http', start: ['node', 'src/server.js'], method: 'GET', path: '/price', expectStatus: 200, expectBody: '"price":90' } as const;
  const policy = { command: undefined, checks: [{ criterion: 'AC-1', check }] } as const;
  const good = await proofOf(t, atBase({ 'src/server.js': SERVER }), policy);
  assert.equal(good.proof.word, 'proved', JSON.stringify(good.proof.gates.at(-1)));
  refused(await proofOf(t, atBase({ 'src/server.js': SERVER.replace('90', '100') }), policy), 'G10', /GET \/price: the body does not hold/);
  refused(await proofOf(t, atBase({ 'src/server.js': 'process.exit(3);\n' }), policy), 'G10', /does not listen on the port that PORT names/);
});

const hasChromium = ['chromium', 'chromium-browser', 'google-chrome'].some((name) => spawnSync(name, ['--version']).status === 0);

it('a page is photographed in three sizes by a real browser', { skip: hasChromium ? false : 'Chromium is not installed: apt install chromium' }, async (t) => {
  const page = SERVER.replace('Nothing here', 'Ten or more are cheaper');
  const viewports = [
    [1920, 1080],
    [768, 1024],
    [375, 667],
  ] as const;
  const check = { kind: 'screenshot', start: ['node', 'src/server.js'], path: '/', viewports, expectText: 'Ten or more are cheaper' } as const;
  const policy = { command: undefined, checks: [{ criterion: 'AC-1', check }] } as const;
  const good = await proofOf(t, atBase({ 'src/server.js': page }), policy);
  assert.equal(good.proof.word, 'proved', JSON.stringify(good.proof.gates.at(-1)));
  assert.match(good.proof.gates.at(-1)?.why ?? '', /1920x1080 proofs\/pictures\/[0-9a-f]{64}\.png, 768x1024 .*, 375x667 /);
  refused(
    await proofOf(t, atBase({ 'src/server.js': SERVER }), policy),
    'G10',
    /screenshot \/: the page does not show "Ten or more are cheaper" \(.*Nothing here/,
  );
});

it('a document goes from the command line through all layers to done, also when its branch has moved on', async (t) => {
  const { repo, base, client, works, installation } = await team(t, (made, from) => ({
    docs: { red: from, green: made.commit('docs', { 'docs/guide.md': '# Guide\n' }) },
  }));
  const moved = repo.commit('somebody else', { 'README.md': 'a shop\n' });
  const criteria = [{ id: 'AC-1', text: 'There is a guide.', checks: [{ kind: 'file', path: 'docs/guide.md', contains: '# Guide' }] }];
  await specified(client, repo, 'TASK-20', { command: undefined, criteria });
  const { code, stderr } = await installation.cli(['task', 'submit', 'TASK-20', '--base', base, '--green', works['docs']?.green ?? '']);
  assert.equal(code, 0, stderr);
  await settles(client, 'TASK-20', 'done');
  assert.equal(repo.git('rev-parse', 'main~1'), moved);
  assert.match((await installation.cli(['proof', 'show', 'TASK-20'])).stdout, /no tests: its checks prove it[\s\S]*G10 +pass/);
});
