// Slows down whoever guesses credentials: after too many failures from one address nothing that could be guessed is looked at for a while.

import type { Clock } from '../kit/clock.ts';

const LIMIT = 10;
const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

export type LoginGuard = ReturnType<typeof createLoginGuard>;

export function createLoginGuard(clock: Clock) {
  const failures = new Map<string, number[]>();
  const recent = (key: string) => (failures.get(key) ?? []).filter((at) => at > clock.now() - WINDOW_MS);
  return {
    /** Seconds until the address may try again, 0 when it may now. */
    waitSeconds: (address: string | undefined): number => {
      const times = recent(keyOf(address));
      const first = times.at(-LIMIT);
      return first === undefined ? 0 : Math.ceil((first + WINDOW_MS - clock.now()) / 1000);
    },
    /** Counts a wrong credential. A missing one is no guess. */
    failed: (address: string | undefined): void => {
      const key = keyOf(address);
      const times = [...recent(key), clock.now()].slice(-LIMIT);
      failures.delete(key); // to the end of the line: the oldest address is forgotten first
      failures.set(key, times);
      const [oldest] = failures.keys();
      if (failures.size > MAX_ADDRESSES && oldest !== undefined) failures.delete(oldest);
    },
  };
}

/** One key per host: the addresses of one IPv6 network are one. */
function keyOf(address = ''): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  return plain.includes(':') && plain !== '::1' ? plain.split(':').slice(0, 4).join(':') : plain;
}
