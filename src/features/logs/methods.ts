// The gateway's own log, by byte cursor.

import { open } from 'node:fs/promises';
import { z } from 'zod';
import { errorCode } from '../../kit/fault.ts';
import { method } from '../../ports/method.ts';

const NEWLINE = 0x0a;

export const logsTail = method({
  name: 'logs.tail',
  scope: 'operator.read',
  about: 'The last lines of the log. Pass the cursor back to get what came since.',
  input: z.strictObject({ cursor: z.int().min(0).optional(), limit: z.int().min(1).max(5000).optional(), maxBytes: z.int().min(1).max(1_000_000).optional() }),
  output: z.object({ file: z.string(), cursor: z.number(), size: z.number(), lines: z.array(z.string()), truncated: z.boolean(), reset: z.boolean() }),
  run: async ({ gateway }, { cursor, limit = 500, maxBytes = 250_000 }) => {
    const file = gateway.logFile();
    const { size, chunk, start } = await readTail(file, cursor, maxBytes);
    const reset = cursor !== undefined && cursor > size;
    const from = start > 0 && start !== cursor ? chunk.indexOf(NEWLINE) + 1 : 0;
    const until = chunk.lastIndexOf(NEWLINE) + 1;
    const lines = chunk.subarray(from, until).toString('utf8').split('\n').filter(Boolean);
    return { file, cursor: start + until, size, lines: lines.slice(-limit), truncated: start > (reset ? 0 : (cursor ?? 0)) || lines.length > limit, reset };
  },
});

async function readTail(path: string, cursor: number | undefined, maxBytes: number): Promise<{ size: number; chunk: Buffer; start: number }> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const wanted = cursor === undefined || cursor > size ? 0 : cursor;
      const start = Math.max(wanted, size - maxBytes);
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(size - start), position: start });
      return { size, chunk: buffer.subarray(0, bytesRead), start };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { size: 0, chunk: Buffer.alloc(0), start: 0 };
    throw error;
  }
}
