// The simulator: a real HTTP server that speaks providers' APIs from a scenario. Used by demo, tests and `clawdbot simulator`.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../kit/clock.ts';
import { newSecret } from '../../../kit/id.ts';
import { ChatRequest, chatStream, problemInChat, readChat } from './chat-api.ts';
import { cacheMarksOf, MessagesRequest, messagesStream, problemIn, readConversation } from './messages-api.ts';
import { type Conversation, createPlayer, type Play, parseScenario, type ScenarioFile } from './scenario.ts';

export interface Simulator {
  readonly url: string;
  /** Requests so far, refused ones included. */
  readonly requests: () => readonly SimulatedRequest[];
  /** When the first text of the latest streamed answer left, on the clock of `elapsed`. */
  readonly firstTextAt: () => number | undefined;
  /** When the latest request began to arrive and when its answer was handed to the socket, on the same clock. */
  readonly latest: () => { readonly arrivedAt: number; readonly answeredAt: number };
  /** The body of the latest request: what the model was shown. */
  readonly latestBody: () => string;
  readonly play: (scenario: ScenarioFile) => void;
  /** More calls at once than this are refused with 429, as a provider does that is too busy. */
  readonly capacity: (calls: number) => void;
  readonly close: () => Promise<void>;
}

export interface SimulatedRequest {
  readonly at: number;
  /** When it began to arrive and when its answer was handed to the socket, on the clock of `elapsed`. */
  readonly arrivedAt: number;
  answeredAt?: number;
  readonly path: string;
  readonly status: number;
  readonly model: string;
  readonly user: string;
  /** Indexes of the messages that carry a cache mark. */
  readonly cacheMarks?: readonly number[];
  readonly problem?: string;
}

interface SimulatorOptions {
  readonly scenario: ScenarioFile;
  readonly clock: Clock;
  /** 0 takes a free port. */
  readonly port?: number;
  /** Keep at most this many request records. */
  readonly keep?: number;
}

const MAX_BODY = 64 * 1024 * 1024;
/** Chunks before the first text of an answer: the start of the message and of its block. */
const FIRST_TEXT = 2;

const BUSY: Play = {
  text: '',
  tools: [],
  fail: { status: 429, type: 'rate_limit_error', message: 'too many calls at once' },
  stream: { chunk: 24, firstMs: 0, delayMs: 0 },
};

/** Starts on 127.0.0.1. @throws Error when the port is taken or the scenario is not valid */
export function startSimulator({ scenario, clock, port = 0, keep = 100_000 }: SimulatorOptions): Promise<Simulator> {
  let player = createPlayer(parseScenario(scenario));
  const requests: SimulatedRequest[] = [];
  let firstTextAt: number | undefined;
  let latest = { arrivedAt: 0, answeredAt: 0 };
  let latestBody = '';
  let most = Number.POSITIVE_INFINITY;
  let inFlight = 0;
  const onText = () => {
    firstTextAt = clock.elapsed();
  };
  const note = (request: Omit<SimulatedRequest, 'at'>): SimulatedRequest => {
    const noted = { at: clock.now(), ...request };
    requests.push(noted);
    if (requests.length > keep) requests.splice(0, requests.length - keep);
    return noted;
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const arrivedAt = clock.elapsed();
    const path = (request.url ?? '').split('?')[0] ?? '';
    const body = await readBody(request);
    latestBody = body;
    if (path.endsWith('/oauth/token'))
      return json(response, 200, { access_token: `sim-access-${newSecret(4)}`, refresh_token: `sim-refresh-${newSecret(4)}`, expires_in: 3600 });
    const api = path.endsWith('/messages') ? messagesApi : path.endsWith('/chat/completions') ? chatApi : undefined;
    if (!api) return json(response, 404, { type: 'error', error: { type: 'not_found_error', message: `the simulator has no ${path}` } });
    const read = api(body);
    if ('problem' in read) {
      note({ arrivedAt, path, status: 400, model: '', user: '', problem: read.problem });
      return json(response, 400, { type: 'error', error: { type: 'invalid_request_error', message: read.problem } });
    }
    const { conversation, stream } = read;
    const play = inFlight < most ? player(conversation) : BUSY;
    const noted = note({
      arrivedAt,
      path,
      status: play.fail?.status ?? 200,
      model: conversation.model,
      user: conversation.user,
      ...(read.cacheMarks && { cacheMarks: read.cacheMarks }),
    });
    if (play.fail) {
      const headers: Record<string, string> = play.fail.retryAfter === undefined ? {} : { 'retry-after': String(play.fail.retryAfter) };
      return json(response, play.fail.status, { type: 'error', error: { type: play.fail.type, message: play.fail.message } }, headers);
    }
    inFlight += 1;
    try {
      await send(response, stream(play, conversation, newSecret(6)), play, clock, onText);
    } finally {
      inFlight -= 1;
    }
    noted.answeredAt = clock.elapsed();
    latest = { arrivedAt, answeredAt: noted.answeredAt };
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) json(response, 500, { type: 'error', error: { type: 'api_error', message: String(error) } });
      else response.destroy();
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const { port: bound } = server.address() as AddressInfo; // listening on TCP
      resolve({
        url: `http://127.0.0.1:${bound}`,
        requests: () => requests,
        latestBody: () => latestBody,
        firstTextAt: () => firstTextAt,
        latest: () => latest,
        play: (next) => {
          player = createPlayer(parseScenario(next));
        },
        capacity: (calls) => {
          most = calls;
        },
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}

type Read =
  | { readonly problem: string }
  | {
      readonly conversation: Conversation;
      readonly cacheMarks?: readonly number[];
      readonly stream: (play: Play, conversation: Conversation, id: string) => Generator<string>;
    };

function messagesApi(body: string): Read {
  const parsed = MessagesRequest.safeParse(parseJson(body));
  if (!parsed.success) return { problem: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') };
  const problem = problemIn(parsed.data);
  return problem ? { problem } : { conversation: readConversation(parsed.data, body.length), cacheMarks: cacheMarksOf(parsed.data), stream: messagesStream };
}

function chatApi(body: string): Read {
  const parsed = ChatRequest.safeParse(parseJson(body));
  if (!parsed.success) return { problem: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') };
  const problem = problemInChat(parsed.data);
  return problem ? { problem } : { conversation: readChat(parsed.data, body.length), stream: chatStream };
}

async function send(response: ServerResponse, chunks: Iterable<string>, { stream }: Play, clock: Clock, onText: () => void): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  if (stream.firstMs > 0) await clock.sleep(stream.firstMs, gone.signal);
  if (response.destroyed) return;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const broken = stream.cutAfter !== undefined || stream.stallAfter !== undefined;
  if (!broken && stream.delayMs === 0) return void response.end([...chunks].join(''));
  let sent = 0;
  for (const chunk of chunks) {
    if (response.destroyed) return;
    if (sent === stream.cutAfter) return void response.destroy();
    if (sent === stream.stallAfter) return;
    if (stream.delayMs > 0 && sent > 0) await clock.sleep(stream.delayMs, gone.signal);
    if (sent === FIRST_TEXT) onText();
    response.write(chunk);
    sent += 1;
  }
  response.end();
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = chunk as Buffer; // no encoding is set on the request
    size += bytes.length;
    if (size > MAX_BODY) throw new Error('body too large');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined; // the schema refuses it with a clear message
  }
}

function json(response: ServerResponse, status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}
