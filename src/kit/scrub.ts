// Takes secrets out of text: once at the log sink, once at every durable write of model and tool output.

export type Scrub = (text: string) => string;

const SHAPES = [
  /\bsk-ant-[A-Za-z0-9_-]{8,}/g,
  /\bsk-[A-Za-z0-9_-]{16,}/g,
  /\bxox[abeoprs]-[A-Za-z0-9-]{8,}/g,
  /\bxapp-[A-Za-z0-9-]{8,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{16,}/g,
  /\bgithub_pat_[A-Za-z0-9_]{16,}/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\bAIza[0-9A-Za-z_-]{30,}/g,
  /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g,
];
const BEARER = /\b(Bearer\s+)[A-Za-z0-9._~+/=-]{12,}/gi;
const MASK = '[secret]';
const SHORTEST_SECRET = 8;

/**
 * A function that masks text with the shape of a credential and every one of the given exact secrets.
 * Secrets shorter than 8 characters are not masked by value: they would eat ordinary words.
 */
export function createScrub(secrets: readonly string[] = [], patterns: readonly RegExp[] = []): Scrub {
  const exact = [...new Set(secrets)].filter((secret) => secret.length >= SHORTEST_SECRET);
  const known = exact.length > 0 ? new RegExp(exact.map((secret) => secret.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g') : undefined;
  return (text) => {
    let clean = known ? text.replace(known, MASK) : text;
    for (const shape of SHAPES) clean = clean.replace(shape, MASK);
    clean = clean.replace(BEARER, `$1${MASK}`);
    for (const pattern of patterns) clean = clean.replace(pattern, MASK);
    return clean;
  };
}
