// Tool input as providers stream it: pieces of JSON text.

/** Tool input as the model wrote it; text that is no JSON object reaches the tool as `_invalid`, which it refuses clearly. */
export function parseInput(json: string): Readonly<Record<string, unknown>> {
  if (json.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(json);
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>; // checked
  } catch {
    return { _invalid: json };
  }
  return { _invalid: json };
}
