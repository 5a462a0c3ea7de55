// Configuration files as accidents make them: cut, overwritten, with wrong types, unknown keys, NULs and nothing at all. The same for a seed.

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  "'",
  '//',
  '/*',
  '\u0000',
  '\ufeff',
  '${NO_SUCH_VARIABLE}',
  '$include: "./gone.json5",',
  'null',
  '1e999',
  'NaN',
  '__proto__: {},',
  'port: "x",',
  'bogus: 1,',
  '\ud800',
];

export function* fuzzedFiles(good: string, count: number, seed: number): Generator<Buffer> {
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x7fffffff) * below);
  };
  const piece = () => PIECES[random(PIECES.length)] ?? '';
  for (let i = 0; i < count; i++) {
    const at = random(good.length);
    switch (random(7)) {
      case 0:
        yield Buffer.from(good.slice(0, at));
        break;
      case 1:
        yield Buffer.from(good.slice(0, at) + piece() + good.slice(at));
        break;
      case 2:
        yield Buffer.from(good.slice(0, at) + piece() + good.slice(at + random(40)));
        break;
      case 3:
        yield Buffer.from(Array.from({ length: random(200) }, () => random(256)));
        break;
      case 4:
        yield Buffer.from(Array.from({ length: random(30) }, piece).join(''));
        break;
      case 5:
        yield Buffer.alloc(random(3) === 0 ? 0 : random(5000), random(2));
        break;
      default:
        yield Buffer.from(good.replace(/"[^"]*"|\d+/g, (value) => (random(8) === 0 ? piece() : value)));
    }
  }
}
