// The gateway's tools for one run, over MCP: a loopback address with a secret in it, three methods, plain JSON answers.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ToolSpec } from '../../domain/tool.ts';
import type { ToolCall } from '../../domain/transcript.ts';
import { messageOf } from '../../kit/fault.ts';
import { newSecret, newUuid } from '../../kit/id.ts';

const PROTOCOL = '2025-06-18';
const MAX_BODY = 4_194_304;

interface Request {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

interface EndpointOptions {
  readonly tools: readonly ToolSpec[];
  readonly callTool: (call: ToolCall) => Promise<{ readonly text: string; readonly isError: boolean }>;
}

export interface McpEndpoint {
  readonly url: string;
  readonly token: string;
  readonly close: () => void;
}

export function openMcpEndpoint({ tools, callTool }: EndpointOptions): Promise<McpEndpoint> {
  const token = newSecret();
  const answer = async ({ method, params = {} }: Request): Promise<unknown> => {
    switch (method) {
      case 'initialize':
        return {
          protocolVersion: typeof params['protocolVersion'] === 'string' ? params['protocolVersion'] : PROTOCOL,
          capabilities: { tools: {} },
          serverInfo: { name: 'clawdbot-gateway', version: '1' },
        };
      case 'tools/list':
        return { tools: tools.map(({ name, about, schema }) => ({ name, description: about, inputSchema: schema })) };
      case 'tools/call': {
        const meta = (params['_meta'] ?? {}) as Readonly<Record<string, unknown>>; // only one text is taken
        const id = meta['claudecode/toolUseId'];
        const input = (params['arguments'] ?? {}) as Readonly<Record<string, unknown>>; // each tool checks its own
        const { text, isError } = await callTool({ id: typeof id === 'string' ? id : newUuid(), name: String(params['name']), input });
        return { content: [{ type: 'text', text }], isError };
      }
      case 'ping':
        return {};
      default:
        return undefined;
    }
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.headers.authorization !== `Bearer ${token}`) return send(response, 401, undefined);
    if (request.method !== 'POST') return send(response, 405, undefined);
    const message = JSON.parse(await bodyOf(request)) as Request; // looked into field by field
    if (message.id === undefined) return send(response, 202, undefined); // a notification
    const result = await answer(message);
    const error = { code: -32_601, message: `unknown method: ${String(message.method)}` };
    send(response, 200, { jsonrpc: '2.0', id: message.id, ...(result === undefined ? { error } : { result }) });
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => send(response, 400, { jsonrpc: '2.0', id: null, error: { code: -32_700, message: messageOf(error) } }));
  });
  server.requestTimeout = 0; // a tool may take long
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo; // listening on TCP
      const close = () => {
        server.close();
        server.closeAllConnections();
      };
      resolve({ url: `http://127.0.0.1:${port}/mcp`, token, close });
    });
  });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error(`a request may have ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
