// A running gateway for one test, gone after it.

import { randomUUID } from 'node:crypto';
import { connectClient, createInstallation, type InstallationOptions, type TestClient } from './installation.ts';
import { type Cleanup, scratchDir, until } from './scratch.ts';

/** Installation, gateway and client; everything is killed and removed after the test. */
export async function startJourney(t: Cleanup, options: Omit<InstallationOptions, 'dir'>) {
  const dir = scratchDir(t);
  const installation = await createInstallation({ dir, ...options });
  t.after(() => installation.close());
  const gateway = await installation.start();
  const client = await connectClient(gateway.port);
  t.after(() => client.close());
  return { dir, installation, gateway, client, simulator: installation.simulator, workspace: installation.workspace };
}

interface Hooks {
  readonly before: (action: () => Promise<void>) => void;
  readonly after: (action: () => Promise<void> | void) => void;
}

/** One installation for all tests of a suite. Answers how to get at it. */
export function startShared({ before, after }: Hooks, options: Omit<InstallationOptions, 'dir'>) {
  const cleanups: (() => Promise<void> | void)[] = [];
  let started: Awaited<ReturnType<typeof startJourney>> | undefined;
  before(async () => {
    started = await startJourney({ after: (action) => void cleanups.unshift(action) }, options);
  });
  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });
  return () => {
    if (!started) throw new Error('the shared installation is not there yet');
    return started;
  };
}

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked into by tests
type Answer = any;

/** An order through the door, up to its last answer. */
export function order(client: TestClient, message: string, { session = 'main', key = randomUUID() as string } = {}): Promise<Answer> {
  return client.call('agent', { message, sessionKey: session, idempotencyKey: key }, { expectFinal: true, timeoutMs: 60_000 });
}

export const textOf = (answer: Answer): string => answer.result.payloads.map((payload: { text: string }) => payload.text).join('\n');

/** The answer of a method, to be looked into. */
export function ask(client: TestClient, method: string, params?: unknown, timeoutMs = 10_000): Promise<Answer> {
  return client.call(method, params, { timeoutMs });
}

export async function health(client: TestClient): Promise<Answer> {
  return client.call('health');
}

export async function workerPid(client: TestClient): Promise<number> {
  return until('a worker', async () => {
    const { workers } = await health(client);
    return workers[0]?.pid as number | undefined;
  });
}

/** Waits for the run's tool call (or its result) to show up among the client's events. */
export function toolEvent(client: TestClient, name: string, phase: 'start' | 'result' = 'start', count = 1) {
  return until(`${name} ${phase}`, () => {
    const seen = client.events.filter(
      ({ event, payload }) => event === 'agent' && payload.stream === 'tool' && payload.data.name === name && payload.data.phase === phase,
    );
    return seen.length >= count && seen[count - 1];
  });
}
