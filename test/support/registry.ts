// A registry of packages on this machine: it speaks as much of npm's protocol as npm ci asks for.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Cleanup, scratchDir } from './scratch.ts';

export interface Registry {
  readonly url: string;
  /** Of the one package that it has. */
  readonly integrity: string;
  readonly requests: () => readonly string[];
}

/** Serves the package `left` 1.0.0: its `left(text)` pads a text, and its install script would leave a mark. */
export async function startRegistry(t: Cleanup): Promise<Registry> {
  const dir = scratchDir(t);
  mkdirSync(join(dir, 'package'));
  writeFileSync(
    join(dir, 'package', 'package.json'),
    JSON.stringify({ name: 'left', version: '1.0.0', main: 'index.js', scripts: { postinstall: 'touch was-run' } }),
  );
  writeFileSync(join(dir, 'package', 'index.js'), "exports.left = (text) => String(text).padStart(5, ' ');\n");
  execFileSync('tar', ['czf', 'left.tgz', 'package'], { cwd: dir });
  const archive = readFileSync(join(dir, 'left.tgz'));
  const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    if (request.url?.endsWith('.tgz')) return void response.end(archive);
    const version = { name: 'left', version: '1.0.0', dist: { tarball: `${url}left/-/left-1.0.0.tgz`, integrity } };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: 'left', 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`; // listening on TCP
  t.after(() => void server.close());
  return { url, integrity, requests: () => requests };
}
