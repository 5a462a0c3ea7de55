// Changes of the configuration file: checked, kept, undoable; the file is never worse than before.

import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { scratchDir } from '../../../test/support/scratch.ts';
import { systemClock } from '../../kit/clock.ts';
import { isFault } from '../../kit/fault.ts';
import { openConfigFile } from './file.ts';

const TEXT = `// mine
{
  gateway: { port: 4711, auth: { token: "abcdefgh" } }, // the door
  models: { providers: { a: { baseUrl: "http://127.0.0.1:1", apiKey: "\${KEY}" } } },
}
`;
const BY = { actor: 'test' };

function setUp(t: TestContext, text = TEXT) {
  const stateDir = scratchDir(t);
  const path = join(stateDir, 'clawdbot.json');
  writeFileSync(path, text, { mode: 0o600 });
  const heard: string[][] = [];
  let now = 1_800_000_000_000;
  const open = () =>
    openConfigFile({
      path,
      stateDir,
      variables: { KEY: 'k-e-y' },
      clock: { ...systemClock, now: () => now++ },
      onChanged: (_now, _before, changed) => void heard.push([...changed]),
    });
  return { stateDir, path, open, file: open(), heard, text: () => readFileSync(path, 'utf8') };
}

const refused = (code: string) => (error: unknown) => isFault(error, code);

describe('the configuration file', () => {
  it('takes one change: the text keeps comments and ${VAR}, the change is in effect, told and kept', (t) => {
    const { file, heard, text } = setUp(t);
    const { changed, needsRestart } = file.write({ kind: 'set', path: ['agents', 'defaults', 'maxConcurrent'], value: 9 }, BY);
    assert.deepEqual([changed, needsRestart], [['agents.defaults.maxConcurrent'], []]);
    assert.equal(file.current().config.agents.defaults.maxConcurrent, 9);
    assert.equal(file.current().config.models.providers['a']?.apiKey, 'k-e-y');
    assert.deepEqual(heard, [['agents.defaults.maxConcurrent']]);
    assert.ok(text().startsWith(TEXT.trimEnd().slice(0, -1)), text());
    assert.deepEqual(
      file.revisions().map(({ actor }) => actor),
      ['file', 'test'],
    );
  });

  it('says what waits for the next start', (t) => {
    const { file } = setUp(t);
    assert.deepEqual(file.write({ kind: 'set', path: ['gateway', 'port'], value: 5 }, BY).needsRestart, ['gateway.port']);
  });

  it('refuses what would not run, and stays as it was', (t) => {
    const { file, text, heard } = setUp(t);
    assert.throws(() => file.write({ kind: 'set', path: ['gateway', 'port'], value: 'x' }, BY), refused('config.invalid'));
    assert.throws(
      () => file.write({ kind: 'replace', raw: '{ gateway: ' }, BY),
      (error) => isFault(error),
    );
    assert.throws(() => file.write({ kind: 'unset', path: ['no', 'such'] }, BY), refused('config.path_unknown'));
    assert.equal(text(), TEXT);
    assert.deepEqual(heard, []);
  });

  it('is written only by those who know what they change', (t) => {
    const { file, path } = setUp(t);
    const hash = file.current().hash;
    writeFileSync(path, TEXT.replace('4711', '4712'));
    assert.throws(() => file.write({ kind: 'set', path: ['gateway', 'port'], value: 5 }, { ...BY, baseHash: hash }), refused('config.base_stale'));
    file.refresh();
    file.write({ kind: 'set', path: ['gateway', 'port'], value: 5 }, { ...BY, baseHash: file.current().hash });
    assert.equal(file.current().config.gateway.port, 5);
  });

  it('does not lose a credential or a tenth of its keys by accident', (t) => {
    const { file } = setUp(t);
    assert.throws(() => file.write({ kind: 'replace', raw: '{ gateway: { port: 4711 } }' }, BY), refused('config.removal'));
    file.write({ kind: 'replace', raw: '{ gateway: { port: 4711 } }' }, { ...BY, allowRemoval: true });
    assert.equal(file.current().config.gateway.auth.token, undefined);
  });

  it('takes its own masked text back unchanged', (t) => {
    const { file, text } = setUp(t);
    const masked = file.masked() ?? '';
    assert.ok(!masked.includes('abcdefgh') && masked.includes('${KEY}'), masked);
    file.write({ kind: 'replace', raw: masked.replace('4711', '4713') }, BY);
    assert.equal(text(), TEXT.replace('4711', '4713'));
  });

  it('merges a patch: null removes, the rest stays', (t) => {
    const { file, text } = setUp(t);
    file.write({ kind: 'merge', patch: { gateway: { port: null, bind: 'lan' }, logging: { level: 'debug' } } }, BY);
    const { config } = file.current();
    assert.deepEqual([config.gateway.port, config.gateway.bind, config.logging.level], [18_789, 'lan', 'debug']);
    assert.ok(text().includes('// the door'));
  });

  it('goes back: to before the last write, and to any revision that is kept', (t) => {
    const { file, text, open } = setUp(t);
    for (const port of [1001, 1002, 1003]) file.write({ kind: 'set', path: ['gateway', 'port'], value: port }, BY);
    file.write({ kind: 'undo' }, BY);
    assert.equal(file.current().config.gateway.port, 1002);
    const [first] = open().revisions();
    file.write({ kind: 'undo', revision: first?.id ?? '' }, BY);
    assert.equal(text(), TEXT);
    assert.throws(() => file.write({ kind: 'undo', revision: '../../etc/passwd' }, BY), refused('config.revision_unknown'));
  });

  it('keeps twenty revisions', (t) => {
    const { file } = setUp(t);
    for (let port = 2000; port < 2030; port++) file.write({ kind: 'set', path: ['gateway', 'port'], value: port }, BY);
    assert.equal(file.revisions().length, 20);
    assert.deepEqual(file.revisions().at(-1)?.changed, ['gateway.port']);
  });

  it('an edit by hand takes effect; one that does not run is set aside, and the next good one heals', (t) => {
    const { file, path, heard, stateDir } = setUp(t);
    writeFileSync(path, TEXT.replace('4711', '4720'));
    assert.equal(file.refresh(), true);
    assert.equal(file.current().config.gateway.port, 4720);
    writeFileSync(path, '{ gateway: ');
    assert.equal(file.refresh(), false);
    const { config, source, issues, hash } = file.current();
    assert.deepEqual([config.gateway.port, source, issues.length], [4720, 'last-good', 1]);
    assert.ok(existsSync(join(stateDir, 'config', `rejected-${hash?.slice(0, 12)}.json5`)));
    writeFileSync(path, TEXT.replace('4711', '4720'));
    assert.equal(file.refresh(), true);
    assert.deepEqual([file.current().source, file.current().issues.length, heard.length], ['file', 0, 2]);
  });

  it('follows a link to the file it leads to, and keeps it private', (t) => {
    const { stateDir } = setUp(t);
    const real = join(stateDir, 'dotfiles.json5');
    const link = join(stateDir, 'linked.json');
    writeFileSync(real, TEXT);
    symlinkSync(real, link);
    const file = openConfigFile({ path: link, stateDir, variables: { KEY: 'x' }, clock: systemClock });
    file.write({ kind: 'set', path: ['gateway', 'port'], value: 6 }, BY);
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.ok(readFileSync(real, 'utf8').includes('port: 6'));
    assert.equal(statSync(real).mode & 0o777, 0o600);
  });

  it('whatever the file holds next: what runs goes on, and the file is not touched', (t) => {
    const { file, path } = setUp(t);
    mkdirSync(join(path, '..'), { recursive: true });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
          fc.nat(TEXT.length).map((cut) => Buffer.from(TEXT.slice(0, cut))),
        ),
        (bytes) => {
          writeFileSync(path, bytes);
          file.refresh();
          assert.ok(file.current().config.gateway.port > 0);
          assert.deepEqual(readFileSync(path), Buffer.from(bytes));
        },
      ),
      { numRuns: 500 },
    );
    writeFileSync(path, TEXT);
    file.refresh();
    assert.deepEqual([file.current().config.gateway.port, file.current().source], [4711, 'file']);
  });
});
