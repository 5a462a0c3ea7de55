// Markdown to Slack's mrkdwn and back.

const CODE = /(```[\s\S]*?(?:```|$)|`[^`\n]+`)/;
const BOLD = '\u0001';

const encode = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const decode = (text: string): string => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

/** Code stays as it is, `<!channel>` and its like become plain words, people can be named as `<@U…>`. */
export function toSlack(markdown: string): string {
  return markdown
    .split(CODE)
    .map((piece, i) => (i % 2 === 1 ? codeToSlack(piece) : piece.split('\n').map(lineToSlack).join('\n')))
    .join('');
}

function codeToSlack(code: string): string {
  return encode(code.replace(/^```[^\n`]*\n/, '```\n'));
}

function lineToSlack(line: string): string {
  const [, quote = '', rest = ''] = /^((?:>\s?)*)(.*)$/s.exec(line) ?? [];
  const inline = inlineToSlack(rest);
  const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(inline)?.[1];
  return quote + (heading === undefined ? inline.replace(/^(\s*)[-*+]\s+/, '$1• ') : `*${heading.replaceAll('*', '')}*`);
}

function inlineToSlack(text: string): string {
  return encode(text)
    .replace(/&lt;@([UW][A-Z0-9]+)&gt;/g, '<@$1>')
    .replace(/&lt;(https?:\/\/[^\s|]+?)&gt;/g, '<$1>')
    .replace(
      /!?\[([^\]\n]*)\]\(((?:https?:\/\/|mailto:)[^\s()]+(?:\([^\s()]*\)[^\s()]*)*)\)/g,
      (_all, label: string, url: string) => `<${url}${label === '' ? '' : `|${label}`}>`,
    )
    .replace(/\*\*(?=\S)(.+?)(?<=\S)\*\*/g, `${BOLD}$1${BOLD}`)
    .replace(/(?<![\w_])__(?=\S)(.+?)(?<=\S)__(?![\w_])/g, `${BOLD}$1${BOLD}`)
    .replace(/(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![\w*])/g, '_$1_')
    .replace(/~~(?=\S)(.+?)(?<=\S)~~/g, '~$1~')
    .replaceAll(BOLD, '*');
}

interface Reader {
  /** The agent's own id: naming it is left out of the text. */
  readonly self: string;
  readonly nameOf: (userId: string) => string | undefined;
}

/** What people wrote, as plain Markdown. */
export function fromSlack(text: string, { self, nameOf }: Reader): string {
  const plain = text
    .replace(new RegExp(`<@${self}(\\|[^>]*)?>\\s*`, 'g'), '')
    .replace(/<@([UW][A-Z0-9]+)(?:\|([^>]*))?>/g, (_all, id: string, label?: string) => `@${label ?? nameOf(id) ?? id}`)
    .replace(/<#([CG][A-Z0-9]+)(?:\|([^>]*))?>/g, (_all, id: string, label?: string) => `#${label || id}`)
    .replace(/<!(?:subteam\^[A-Z0-9]+\|)?([^>|]+)(?:\|([^>]*))?>/g, (_all, word: string, label?: string) => `@${(label ?? word).replace(/^@/, '')}`)
    .replace(/<((?:https?|mailto|tel):[^>|]+)(?:\|([^>]*))?>/g, (_all, url: string, label?: string) =>
      label === undefined || label === url || `mailto:${label}` === url ? url.replace(/^mailto:/, '') : `${label} (${url})`,
    );
  return decode(plain).trim();
}
