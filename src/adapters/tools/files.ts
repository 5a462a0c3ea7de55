// read, write, edit: files of the agent's workspace.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import type { ToolOutcome } from '../../domain/tool.ts';
import { isFault } from '../../kit/fault.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import { type FileArea, readInside, writeInside } from './inside.ts';

const PATH = { description: 'Path of the file, relative to the workspace or absolute', type: 'string' } as const;
const MAX_LINES = 2000;
const MAX_CHARS = 50_000;

const path = { path: z.string().min(1).optional(), file_path: z.string().min(1).optional() };
const ReadInput = z.looseObject({ ...path, offset: z.coerce.number().int().min(1).default(1), limit: z.coerce.number().int().min(1).default(MAX_LINES) });
const WriteInput = z.looseObject({ ...path, content: z.string() });
const EditInput = z.looseObject({
  ...path,
  oldText: z.string().optional(),
  newText: z.string().optional(),
  old_string: z.string().optional(),
  new_string: z.string().optional(),
});

export const readTool: Tool = {
  spec: {
    name: 'read',
    about: `Read a text file, or an output kept as sha256:…. At most ${MAX_LINES} lines are returned; use offset and limit for the rest.`,
    schema: {
      type: 'object',
      required: ['path'],
      properties: {
        path: PATH,
        offset: { description: 'First line to return, counted from 1', type: 'number' },
        limit: { description: 'How many lines to return', type: 'number' },
        file_path: PATH,
      },
    },
    idempotent: true,
    parallel: true,
  },
  run: (input, context) =>
    fileTool(ReadInput, input, async ({ offset, limit, ...named }) => {
      const name = pathOf(named);
      const text = (await readNamed(name, context)).toString('utf8');
      const lines = text.split('\n');
      const shown = lines.slice(offset - 1, offset - 1 + limit);
      let body = shown.join('\n');
      let until = offset - 1 + shown.length;
      if (body.length > MAX_CHARS) {
        body = body.slice(0, MAX_CHARS);
        until = offset - 1 + body.split('\n').length;
      }
      const rest = until < lines.length ? `\n\n[${lines.length - until} more lines. Continue with offset=${until + 1}]` : '';
      return { text: body + rest, isError: false, details: { path: name, lines: lines.length } };
    }),
};

export const writeTool: Tool = {
  spec: {
    name: 'write',
    about: 'Write a file, making its folders. An existing file is replaced.',
    schema: {
      type: 'object',
      required: ['content'],
      properties: { path: PATH, content: { description: 'The whole content of the file', type: 'string' }, file_path: PATH },
    },
    idempotent: true,
    parallel: false,
  },
  run: (input, context) =>
    fileTool(WriteInput, input, async ({ content, ...named }) => {
      const name = pathOf(named);
      await writeInside(areaOf(context), name, content);
      return { text: `Wrote ${Buffer.byteLength(content)} bytes to ${name}`, isError: false, details: { path: name } };
    }),
};

export const editTool: Tool = {
  spec: {
    name: 'edit',
    about: 'Replace a piece of text in a file. The old text must occur exactly once, white space included.',
    schema: {
      type: 'object',
      required: ['path', 'oldText', 'newText'],
      properties: {
        path: PATH,
        oldText: { description: 'The text to replace, exactly as it stands in the file', type: 'string' },
        newText: { description: 'What takes its place', type: 'string' },
        file_path: PATH,
        old_string: { description: 'Same as oldText', type: 'string' },
        new_string: { description: 'Same as newText', type: 'string' },
      },
    },
    idempotent: false,
    parallel: false,
  },
  run: (input, context) =>
    fileTool(EditInput, input, async (named) => {
      const name = pathOf(named);
      const oldText = named.oldText ?? named.old_string;
      const newText = named.newText ?? named.new_string;
      if (oldText === undefined || oldText === '' || newText === undefined) return failed('edit needs path, oldText and newText');
      const area = areaOf(context);
      const before = (await readInside(area, name)).toString('utf8');
      const first = before.indexOf(oldText);
      if (first === -1) return failed(`The old text does not occur in ${name}. Read the file and copy the text exactly.`);
      if (before.indexOf(oldText, first + 1) !== -1) return failed(`The old text occurs more than once in ${name}. Add lines around it until it is unique.`);
      await writeInside(area, name, before.slice(0, first) + newText + before.slice(first + oldText.length));
      return { text: `Replaced the text in ${name}`, isError: false, details: { path: name, line: before.slice(0, first).split('\n').length } };
    }),
};

/** A file of the workspace, or by its reference an output that was too long to show. */
async function readNamed(name: string, context: ToolContext): Promise<Buffer> {
  if (!name.startsWith('sha256:')) return readInside(areaOf(context), name);
  const bytes = await context.blobs.get(name);
  if (!bytes) throw fault('tool.refused', { reason: `no output is kept as ${name}` });
  return bytes;
}

function areaOf({ workspace, fileRoot, forbidden }: ToolContext): FileArea {
  return { base: workspace, root: fileRoot, forbidden };
}

function pathOf(named: { path?: string | undefined; file_path?: string | undefined }): string {
  return named.path ?? named.file_path ?? '';
}

function failed(text: string): ToolOutcome {
  return { text, isError: true };
}

async function fileTool<S extends z.ZodType>(schema: S, input: unknown, run: (parsed: z.infer<S>) => Promise<ToolOutcome>): Promise<ToolOutcome> {
  const parsed = schema.safeParse(input);
  if (!parsed.success) return failed(`The input is not valid: ${z.prettifyError(parsed.error)}`);
  if (pathOf(parsed.data as { path?: string; file_path?: string }) === '') return failed('The input is not valid: path is missing'); // both schemas carry the two names
  try {
    return await run(parsed.data);
  } catch (error) {
    if (isFault(error, 'tool.refused')) return failed(error.message);
    throw error;
  }
}
