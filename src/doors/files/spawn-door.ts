// scheduler/spawn-queue: requests become spawns, and their answers are written where those who asked look for them. No model is involved.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FileRequest, fileNameOf, readRequest, responseStatus } from '../../domain/spawn-file.ts';
import { canonicalAgent } from '../../domain/team.ts';
import { type FiledSpawn, filedRequest, filedSpawn, modelProblem, requestByFile } from '../../features/spawns/by-file.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import { parseJson } from '../../kit/json.ts';
import { type FileDoor, type FileDoorWorld, notify } from './door.ts';
import { filesIn, isNoise, moveAside, quarantine, readShared, STILL_MS, writeView } from './shared-file.ts';

const IS_REQUEST = /\.json$/i;
/** What has lain there for longer is history: nobody waits for it any more. */
const TOO_OLD_MS = 86_400_000;
const RESPONSE_KEPT_MS = 86_400_000;
const RESULT_CHARS = 20_000;

interface Tracked {
  readonly name: string;
  readonly request: FileRequest;
  readonly spawnId: string;
  readonly childRunId: string;
  /** The last answer that was written. */
  said: string;
}

export function createSpawnDoor(world: FileDoorWorld): FileDoor {
  const { root, workspaceId, store, config, clock, log } = world;
  const folder = join(root, 'spawn-queue');
  const at = (...parts: readonly string[]) => join(folder, ...parts);
  /** Requests under way, by the name of their file in processing/. */
  const tracked = new Map<string, Tracked>();
  const stirred = new Set<string>();
  /** Names in processing/ that could not be settled yet. */
  const again = new Set<string>();

  const respond = (requestId: string, body: Readonly<Record<string, unknown>>) => {
    const path = at('responses', `${fileNameOf(requestId)}.json`);
    keepOther(path, requestId, body['spawnId']);
    writeView(path, `${JSON.stringify({ requestId, processedAt: new Date(clock.now()).toISOString(), ...body }, null, 2)}\n`);
  };
  /** Ids lie: an answer to another request of the same id is not overwritten. */
  const keepOther = (path: string, requestId: string, spawnId: unknown) => {
    if (!existsSync(path)) return;
    try {
      const before = JSON.parse(readFileSync(path, 'utf8')) as { spawnId?: unknown }; // looked at below
      if (before.spawnId === spawnId) return;
    } catch {
      // somebody else's file: it is kept as it is
    }
    moveAside(path, at('archive', `response-${clock.now()}--${fileNameOf(requestId)}.json`));
  };

  const tellRequester = async ({ requestId, requestedBy }: FileRequest, status: string, content: Readonly<Record<string, unknown>>, about: string) => {
    if (requestedBy === null) return;
    const box = canonicalAgent(config(), requestedBy);
    await notify(world, {
      type: 'response',
      subject: `Spawn request ${requestId}: ${status}`.slice(0, 300),
      content: { requestId, status, ...content },
      box,
      actor: 'file:spawn-queue',
      key: `spawn:${about}:${requestId}:${status}`,
      expiresInMs: RESPONSE_KEPT_MS,
    });
  };

  /** Writes the answer when it says something new; a request that is over leaves processing/. */
  const answer = async (entry: Tracked, { spawn, position }: FiledSpawn) => {
    const { name, request } = entry;
    const status = responseStatus(spawn.status, spawn.runState);
    const error = spawn.error ?? spawn.result?.error ?? (spawn.status === 'cancelled' ? 'it was cancelled' : undefined);
    const body = {
      status,
      spawnId: spawn.id,
      sessionKey: spawn.childSessionKey,
      runId: spawn.runId,
      ...(spawn.rule !== null && { rule: spawn.rule }),
      ...(position > 0 && { position }),
      ...(spawn.status === 'awaiting_grant' && { waitingFor: 'grant' }),
      ...(status === 'completed' && { result: spawn.result?.text.slice(0, RESULT_CHARS) ?? '' }),
      ...((status === 'error' || status === 'denied') && { error: error ?? `the run ended as ${spawn.runState ?? spawn.status}` }),
    };
    const said = JSON.stringify(body);
    if (said !== entry.said) {
      const isNewStatus = !entry.said.includes(`"status":"${status}"`);
      respond(request.requestId, body);
      if (isNewStatus)
        await tellRequester(
          request,
          status,
          { sessionKey: body.sessionKey, ...('result' in body && { result: body.result }), ...('error' in body && { error: body.error }) },
          spawn.id,
        );
      entry.said = said;
    }
    if (status === 'spawned') return;
    moveAside(at('processing', name), at('archive', `${spawn.id}--${name}`));
    tracked.delete(name);
  };

  /** A request that has its place in processing/. */
  const process = async (name: string): Promise<boolean> => {
    const path = at('processing', name);
    const read = readShared(path);
    if (read.kind === 'gone' || read.kind === 'other') return false;
    const parsed = read.kind === 'unreadable' ? { ok: false as const, reason: read.reason } : parse(read.text, name);
    if (!parsed.ok) {
      const isWhole = read.kind === 'text' && isJson(read.text);
      if (!isWhole && clock.now() - read.mtimeMs < STILL_MS) return true;
      refuseFile(name, parsed.reason);
      return false;
    }
    const { request } = parsed;
    if (clock.now() - read.mtimeMs > TOO_OLD_MS) {
      await refuse(name, request, 'denied', 'it is more than a day old and was never started: send it again if it is still wanted');
      return false;
    }
    const problem = modelProblem(config(), request.model);
    if (problem !== undefined) {
      await refuse(name, request, 'denied', problem);
      return false;
    }
    try {
      const filed = await store.call(requestByFile, filedRequest(config(), workspaceId, request));
      const entry = { name, request, spawnId: filed.spawn.id, childRunId: filed.spawn.childRunId, said: '' };
      tracked.set(name, entry);
      await answer(entry, filed);
      return false;
    } catch (error) {
      if (isFault(error, 'request.refused')) {
        await refuse(name, request, 'denied', error.message);
        return false;
      }
      if (!isFault(error, 'lane.full')) throw error;
      log.warn({ file: name }, 'too much work waits: a spawn request stays in processing/ and is tried again');
      return true;
    }
  };

  const refuseFile = (name: string, reason: string) => {
    respond(name.replace(IS_REQUEST, ''), { status: 'error', error: reason });
    const kept = join(root, 'quarantine', 'spawn-queue', `${clock.now()}-${name}`);
    quarantine(at('processing', name), kept, reason);
    log.warn({ file: name, reason, kept }, 'a spawn request cannot be read; it is in quarantine');
  };
  const refuse = async (name: string, request: FileRequest, status: 'denied' | 'error', error: string) => {
    respond(request.requestId, { status, error });
    await tellRequester(request, status, { error }, name);
    moveAside(at('processing', name), at('archive', `${clock.now()}--${name}`));
  };

  /** Takes a request out of requests/: whoever moves it has it. */
  const claim = (name: string): string | 'later' | undefined => {
    const read = readShared(at('requests', name));
    if (read.kind !== 'text' && read.kind !== 'unreadable') return undefined;
    const isWhole = read.kind === 'text' && isJson(read.text);
    if (!isWhole && clock.now() - read.mtimeMs < STILL_MS) return 'later';
    return moveAside(at('requests', name), at('processing', name))?.slice(at('processing').length + 1);
  };

  return {
    name: 'spawn-queue',
    folder,
    deep: true,
    round: async (names) => {
      let isUnfinished = false;
      const asked = names === 'all' ? filesIn(at('requests')) : names.flatMap((name) => (name.startsWith('requests/') ? [name.slice('requests/'.length)] : []));
      const waiting = new Set(names === 'all' ? filesIn(at('processing')) : again);
      again.clear();
      for (const name of asked.filter((one) => IS_REQUEST.test(one) && !isNoise(one))) {
        const claimed = claim(name);
        if (claimed === 'later') isUnfinished = true;
        else if (claimed !== undefined) waiting.add(claimed);
      }
      for (const name of waiting) if (!tracked.has(name) && (await process(name))) again.add(name);
      const runs = new Set(stirred);
      stirred.clear();
      const isAnyStarted = runs.size > 0;
      for (const entry of [...tracked.values()])
        if (names === 'all' || runs.has(entry.childRunId) || (isAnyStarted && entry.said.includes('"position"')))
          await answer(entry, await store.call(filedSpawn, { workspaceId, id: entry.spawnId }));
      return isUnfinished || again.size > 0;
    },
    observe: () => ({ requests: filesIn(at('requests')).filter((name) => IS_REQUEST.test(name)).length, leftInProcessing: filesIn(at('processing')).length }),
    concerns: (body, stream) => {
      if (body.kind !== 'run.started' && body.kind !== 'run.ended' && body.kind !== 'spawn.decided') return false;
      if (tracked.size === 0) return false;
      const runId = body.kind === 'spawn.decided' ? body.spawn.childRunId : stream.slice('run:'.length);
      stirred.add(runId);
      return true;
    },
  };
}

function parse(text: string, name: string) {
  try {
    return readRequest(parseJson(text), name);
  } catch (error) {
    return { ok: false as const, reason: messageOf(error) };
  }
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}
