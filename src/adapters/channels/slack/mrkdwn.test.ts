// Markdown to mrkdwn and back.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { fromSlack, toSlack } from './mrkdwn.ts';

const reader = { self: 'U0BOT', nameOf: (id: string) => (id === 'U0ANN' ? 'Ann' : undefined) };

it('what agents write is shown as they mean it', () => {
  const shown: readonly (readonly [string, string])[] = [
    ['**bold** and *slanted* and __bold__', '*bold* and _slanted_ and *bold*'],
    ['~~gone~~', '~gone~'],
    ['## Title **x**', '*Title x*'],
    ['- one\n  * two', '• one\n  • two'],
    ['[text](https://a.example/x_(y)?q=1&r=2)', '<https://a.example/x_(y)?q=1&amp;r=2|text>'],
    ['![chart](https://a.example/c.png)', '<https://a.example/c.png|chart>'],
    ['a < b && c > d', 'a &lt; b &amp;&amp; c &gt; d'],
    ['> quoted', '> quoted'],
    ['`a * b * c < d` and 2 * 3 * 4', '`a * b * c &lt; d` and 2 * 3 * 4'],
    ['```ts\nif (a < b) **x**\n```', '```\nif (a &lt; b) **x**\n```'],
    ['snake_case_name and file__name__x', 'snake_case_name and file__name__x'],
    ['<!channel> <@U0ANN> <https://a.example>', '&lt;!channel&gt; <@U0ANN> <https://a.example>'],
  ];
  for (const [markdown, mrkdwn] of shown) assert.equal(toSlack(markdown), mrkdwn, markdown);
});

it('no text can name everybody, whatever it holds', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('<', '!', '>', 'channel', 'here', '`', '*', '|', ' ', '@', '#', '[', ']', '(', ')', 'subteam^S1') }),
      (text) => {
        assert.ok(!/<[!#]|<@(?![UW][A-Z0-9]+>)/.test(toSlack(text)), toSlack(text));
      },
    ),
    { numRuns: 500, seed: 1 },
  );
});

it('what people write comes as plain Markdown', () => {
  assert.equal(
    fromSlack('<@U0BOT> ask <@U0ANN> and <@U0X> in <#C0TEAM|team>: <https://a.example|here> &lt;ok&gt; <!here> <mailto:a@b.example|a@b.example>', reader),
    'ask @Ann and @U0X in #team: here (https://a.example) <ok> @here a@b.example',
  );
});
