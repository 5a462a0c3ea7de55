// The only place that draws random numbers: ids that sort by time, tokens, jitter.

import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const RANDOM_LENGTH = 16;

let lastTime = 0;
let lastRandom: number[] = [];

/** A ULID with a prefix, `run_01J…`: 48 bits of time, 80 random bits, rising within one process. */
export function newId(prefix: string, nowMs: number): string {
  if (nowMs > lastTime) {
    lastTime = nowMs;
    lastRandom = [...randomBytes(RANDOM_LENGTH)].map((byte) => byte & 31);
  } else {
    increment(lastRandom);
  }
  let time = '';
  for (let rest = lastTime, i = 0; i < 10; i++) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  return `${prefix}_${time}${lastRandom.map((digit) => ALPHABET.charAt(digit)).join('')}`;
}

function increment(digits: number[]): void {
  for (let i = digits.length - 1; i >= 0; i--) {
    const digit = digits[i] ?? 0;
    if (digit < 31) {
      digits[i] = digit + 1;
      return;
    }
    digits[i] = 0;
  }
}

/** The same name is the same UUID (version 8, from SHA-256). */
export function uuidOf(name: string): string {
  const hex = sha256Hex(name);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export function newUuid(): string {
  return randomUUID();
}

/** A secret of `bytes` random bytes in hex. */
export function newSecret(bytes = 32): string {
  return randomBytes(bytes).toString('hex');
}

const CODE_LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** Eight letters and digits that nobody mistakes for each other. */
export function newCode(): string {
  return [...randomBytes(8)].map((byte) => CODE_LETTERS.charAt(byte & 31)).join('');
}

/** Uniform in [0, 1), for jitter. */
export function jitter(): number {
  return Math.random();
}

export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Compares two secrets in constant time, whatever their lengths. */
export function secretsEqual(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
