// What can be asked about the configuration.

import { z } from 'zod';
import { redactConfig } from '../../domain/config.ts';
import { method } from '../../ports/method.ts';

export const configGet = method({
  name: 'config.get',
  scope: 'operator.admin',
  about: 'The configuration that runs, with its file, hash and findings. Credentials are masked.',
  input: z.strictObject({}),
  output: z.record(z.string(), z.unknown()),
  run: async ({ gateway }) => {
    const { path, raw, hash, parsed, config, source, issues, warnings } = gateway.config();
    return {
      path,
      exists: raw !== undefined,
      raw: raw === undefined ? null : maskText(raw, parsed),
      parsed: redactConfig(parsed ?? {}),
      valid: issues.length === 0,
      config: redactConfig(config),
      hash: hash ?? null,
      source,
      issues,
      warnings,
      legacyIssues: [],
    };
  },
});

/** The file's text with every credential value masked. */
function maskText(raw: string, parsed: unknown): string {
  let text = raw;
  const walk = (plain: unknown, masked: unknown) => {
    if (typeof plain === 'string' && plain !== masked && plain !== '') text = text.replaceAll(plain, '[secret]');
    else if (plain !== null && typeof plain === 'object' && masked !== null && typeof masked === 'object') {
      for (const [key, inner] of Object.entries(plain)) walk(inner, (masked as Record<string, unknown>)[key]); // same keys by construction
    }
  };
  walk(parsed, redactConfig(parsed));
  return text;
}
