// Paths and patterns: `*` stands for anything within a folder, `**` for any folders, `?` for one character. Everything else is itself.

/** Whether a path, with `/` and without a leading one, fits a pattern. A pattern that ends in `/` means all below it. */
export function matchesPath(path: string, pattern: string): boolean {
  const whole = pattern.endsWith('/') ? `${pattern}**` : pattern;
  let source = '';
  for (let i = 0; i < whole.length; i++) {
    const letter = whole.charAt(i);
    if (letter === '*' && whole.charAt(i + 1) === '*') {
      const isFolder = whole.charAt(i + 2) === '/';
      source += isFolder ? '(?:[^/]+/)*' : '.*';
      i += isFolder ? 2 : 1;
    } else if (letter === '*') source += '[^/]*';
    else if (letter === '?') source += '[^/]';
    else source += letter.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  }
  return new RegExp(`^${source}$`, 's').test(path);
}

export function matchesAny(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => matchesPath(path, pattern));
}
