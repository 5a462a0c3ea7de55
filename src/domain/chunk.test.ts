// Cutting long answers into messages.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { chunkMarkdown } from './chunk.ts';

const words = (text: string) => text.replace(/^(`{3,}|~{3,}).*$/gm, '').match(/\S+/g) ?? [];

it('no part is too long, nothing is lost, and every code block is closed where it was opened', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '*', '.', 'ä', '😀'), minLength: 1, maxLength: 60 }).map((text) => text.trim() || 'x');
  const block = fc.array(line, { minLength: 1, maxLength: 12 }).map((lines) => `\`\`\`ts\n${lines.join('\n')}\n\`\`\``);
  const paragraph = fc.array(line, { minLength: 1, maxLength: 6 }).map((lines) => lines.join('\n'));
  fc.assert(
    fc.property(fc.array(fc.oneof(paragraph, block), { minLength: 1, maxLength: 12 }), fc.integer({ min: 200, max: 600 }), (pieces, limit) => {
      const text = pieces.join('\n\n');
      const parts = chunkMarkdown(text, limit);
      for (const part of parts) {
        assert.ok(part.length <= limit, `${part.length} > ${limit}`);
        assert.equal((part.match(/^```/gm) ?? []).length % 2, 0, part);
        assert.ok(part.isWellFormed());
      }
      assert.deepEqual(words(parts.join('\n')).join(''), words(text).join(''));
    }),
    { numRuns: 300, seed: 20_261_127 },
  );
});

it('a text that fits is one part, an empty one none; the cut is between paragraphs', () => {
  assert.deepEqual(chunkMarkdown('short', 200), ['short']);
  assert.deepEqual(chunkMarkdown('  \n', 200), []);
  assert.deepEqual(chunkMarkdown(`${'a'.repeat(150)}\n\n${'b'.repeat(150)}`, 200), ['a'.repeat(150), 'b'.repeat(150)]);
});
