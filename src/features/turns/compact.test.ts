// Long conversations in a small window: no request is too large, summaries are rare, and what was marked as lasting lasts.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Entry, type EntryBody, NO_USAGE } from '../../domain/transcript.ts';
import type { ModelMessage } from '../../ports/model.ts';
import { compactionOf, isDue, transcriptOf } from './compact.ts';
import { createHistory, estimateTokens } from './history.ts';

const WINDOW = 32_000;
/** What a window of 32k leaves for the conversation beside prompt, tools and answer. */
const BUDGET = 16_000;
const EVERY = 8000;

function tokensOf(messages: readonly ModelMessage[]): number {
  return messages.reduce((sum, message) => sum + estimateTokens(JSON.stringify(message.parts)), 0);
}

/** 5,000 turns with tools; the summary is a model's, or that of rules. Answers what happened. */
function longLife(summarise: (text: string) => string | null) {
  const log: Entry[] = [];
  let contextFrom = 1;
  let history = createHistory(BUDGET);
  let [largest, compactions, fresh] = [0, 0, 0];
  const add = (body: EntryBody) => {
    const entry = { seq: log.length + 1, runId: null, at: 0, body };
    log.push(entry);
    history.add([entry]);
    fresh += estimateTokens(JSON.stringify(body));
  };
  const ask = () => {
    const older = isDue(history, { budget: BUDGET, at: 0.8, everyTokens: EVERY });
    if (older) {
      const entry = compactionOf(older, summarise(transcriptOf(older, BUDGET)), { budget: BUDGET, tokensBefore: history.tokens() });
      assert.ok(entry.keptFrom > contextFrom && entry.keptFrom <= log.length, 'the mark moves on');
      add(entry);
      contextFrom = entry.keptFrom;
      compactions += 1;
    }
    const messages = history.messages();
    largest = Math.max(largest, tokensOf(messages));
    return messages;
  };
  for (let turn = 0; turn < 5000; turn++) {
    add({
      kind: 'user',
      text: turn === 3 ? 'Remember: the code word is heron.\nand go on' : turn === 1500 ? 'Decision: we ship on friday' : `Do step ${turn} of the work.`,
    });
    for (let step = 0; step < turn % 4; step++) {
      const id = `c${turn}-${step}`;
      ask();
      add({
        kind: 'assistant',
        text: '',
        toolCalls: [{ id, name: 'exec', input: { command: `make step-${turn}` } }],
        stopReason: 'tool_use',
        provider: 'p',
        model: 'm',
        usage: NO_USAGE,
      });
      add({ kind: 'tool_result', callId: id, toolName: 'exec', text: `line of output ${turn}\n`.repeat(10 + ((turn * 7) % 300)), isError: false });
    }
    ask();
    add({ kind: 'assistant', text: `Step ${turn} is done.`, toolCalls: [], stopReason: 'stop', provider: 'p', model: 'm', usage: NO_USAGE });
    if (turn % 500 === 499) {
      const again = createHistory(BUDGET, contextFrom - 1);
      again.add(log.slice(contextFrom - 1));
      assert.deepEqual(again.messages(), history.messages(), 'read again from the mark it shows the same');
      history = again;
    }
  }
  return { largest, compactions, fresh, last: JSON.stringify(ask()), log };
}

for (const [by, summarise] of [
  ['a model', (text: string) => `Goals: the work. Open tasks: ${text.length} characters of it.`],
  ['rules', () => null],
  ['a model that talks too much', () => 'word '.repeat(50_000)],
] as const)
  it(`5,000 turns full of tools in a window of 32k, summarised by ${by}`, () => {
    const { largest, compactions, fresh, last, log } = longLife(summarise);
    assert.ok(largest <= BUDGET * 1.15 && largest < WINDOW / 1.5, `${largest} tokens`);
    assert.ok(compactions <= fresh / EVERY, `${compactions} summaries for ${fresh} new tokens`);
    assert.ok(compactions > 10);
    assert.match(last, /the code word is heron/);
    assert.match(last, /we ship on friday/);
    assert.ok(log.length > 10_000, 'nothing is taken out of the log');
  });
