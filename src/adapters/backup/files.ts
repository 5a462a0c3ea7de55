// Files of a backup: compressed with a checksum on the way in, checked on the way out.

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, type Dirent, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';

/** Passes bytes on and counts them. */
function meter() {
  const hash = createHash('sha256');
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      hash.update(chunk);
      bytes += chunk.length;
      next(null, chunk);
    },
  });
  return { stream, result: () => ({ bytes, sha256: hash.digest('hex') }) };
}

/** Answers length and digest of what was read. */
export async function compress(from: string, to: string): Promise<{ bytes: number; sha256: string }> {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  const { stream, result } = meter();
  await pipeline(createReadStream(from), stream, createZstdCompress(), createWriteStream(to, { mode: 0o600, flush: true }));
  return result();
}

/** Answers length and digest of what was written. */
export async function decompress(from: string, to: string): Promise<{ bytes: number; sha256: string }> {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  const { stream, result } = meter();
  await pipeline(createReadStream(from), createZstdDecompress(), stream, createWriteStream(to, { mode: 0o600, flush: true }));
  return result();
}

/** What of a state folder belongs to a backup beside the store: configuration, policy, credentials, and what transcripts refer to. */
const WANTED = [
  /^[^/]+\.json5?$/,
  /^service\.env$/,
  /^(credentials|config|identity|devices|settings|cron|blobs)\//,
  /^agents\/[^/]+\/agent\/[^/]+\.json$/,
  /^held-out\//,
];
const NEVER = /^(gateway\.json|run\/|logs\/|backups\/|gateway\.sqlite|.*\.(lock|new|tmp)$)/;

/** Paths from the folder, those of further workspaces included. */
export function stateFiles(stateDir: string): string[] {
  const inside = filesBelow(stateDir).map((path) => relative(stateDir, path));
  return inside.filter((path) => {
    const own = path.replace(/^workspaces\/[^/]+\//, '');
    return !NEVER.test(own) && WANTED.some((pattern) => pattern.test(own));
  });
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const skipped = new Set(['logs', 'backups', 'run', 'node_modules', 'runtimes', 'proofs']);
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry: Dirent) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

export function sizeBelow(folder: string): number {
  return filesBelow(folder).reduce((sum, path) => sum + statSync(path).size, 0);
}
