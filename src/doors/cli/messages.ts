// Messages of a conversation as text.

export interface HistoryMessage {
  readonly role: string;
  readonly toolName?: string;
  readonly content: readonly { readonly type: string; readonly text?: string; readonly name?: string; readonly arguments?: unknown }[];
}

export function messageText({ role, content, toolName }: HistoryMessage): string {
  const parts = content.map((part) => (part.type === 'toolCall' ? `-> ${part.name} ${JSON.stringify(part.arguments)}` : (part.text ?? '')));
  return `[${role}${toolName ? ` ${toolName}` : ''}]\n${parts.join('\n')}\n`;
}
