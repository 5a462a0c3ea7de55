// How often a property is tried: a few times with every test run, and as often as is asked in the long form (npm run test:properties).

const asked = process.env['PROPERTY_RUNS'];

/** Without a number that is asked for, the same sequences each time: a failure can be found again. */
export const tries = (usual: number) => (asked === undefined ? { numRuns: usual, seed: 20_261_126 } : { numRuns: Number(asked) });
