// Blobs as files named by their hash, written whole or not at all.

import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../kit/fault.ts';
import { newSecret, sha256Hex } from '../../kit/id.ts';
import type { Blobs } from '../../ports/blob.ts';

const REFERENCE = /^sha256:([0-9a-f]{64})$/;

export function createFileBlobs(dir: string): Blobs {
  const pathOf = (hash: string) => join(dir, hash.slice(0, 2), hash);
  return {
    put: async (bytes) => {
      const hash = sha256Hex(bytes);
      const path = pathOf(hash);
      const reference = `sha256:${hash}`;
      if (await exists(path)) return reference;
      await mkdir(join(dir, hash.slice(0, 2)), { recursive: true, mode: 0o700 });
      const draft = `${path}.${newSecret(4)}`;
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
      return reference;
    },
    get: async (reference) => {
      const hash = REFERENCE.exec(reference)?.[1];
      if (hash === undefined) return undefined;
      try {
        return await readFile(pathOf(hash));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
