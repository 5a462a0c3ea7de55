// Preloaded into a process whose clock is to be wrong: CLOCK_SKEW_MS is added to the time of day.

const skewMs = Number(process.env.CLOCK_SKEW_MS ?? new URL(import.meta.url).searchParams.get('ms'));
const now = Date.now.bind(Date);
Date.now = () => now() + skewMs;
