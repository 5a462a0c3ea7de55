// The OpenAPI document: every method as POST /rpc/<name>, and the other paths of the HTTP door.

import { z } from 'zod';
import type { AnyMethod } from '../ports/method.ts';

const schemaOf = (schema: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
};
const json = (schema: unknown) => ({ 'application/json': { schema } });
const TOKEN = [{ token: [] }];
const ERROR = { $ref: '#/components/schemas/Error' };

export function openapiDocument(methods: readonly AnyMethod[], version: string): unknown {
  const sorted = methods.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const rpcPaths = Object.fromEntries(sorted.map((entry) => [`/rpc/${entry.name}`, { post: operationOf(entry) }]));
  return {
    openapi: '3.1.0',
    info: { title: 'Clawdbot Gateway', version, description: 'Orders, sessions, devices and configuration of a team of agents.' },
    security: TOKEN,
    paths: { ...rpcPaths, ...OTHER_PATHS },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'gateway.auth.token' } },
      schemas: {
        Error: {
          type: 'object',
          required: ['ok', 'error'],
          properties: {
            ok: { const: false },
            error: {
              type: 'object',
              required: ['code', 'message'],
              properties: { code: { type: 'string' }, message: { type: 'string' }, details: {}, retryable: { type: 'boolean' } },
            },
          },
        },
      },
    },
  };
}

function operationOf({ name, about, scope, input, output }: AnyMethod) {
  return {
    operationId: name,
    summary: about,
    description: `Scope: ${scope}.`,
    tags: [name.split('.')[0]],
    requestBody: { content: json(schemaOf(input, 'input')) },
    responses: {
      200: { description: 'The answer', content: json({ type: 'object', properties: { ok: { const: true }, payload: schemaOf(output, 'output') } }) },
      default: { description: 'An error', content: json(ERROR) },
    },
  };
}

const answered = (description: string) => ({ responses: { 200: { description } } });
const anyBody = { requestBody: { content: json({ type: 'object' }) } };
const open = { security: [] };

const OTHER_PATHS = {
  '/health': { get: { operationId: 'http.health', summary: 'The process answers.', ...open, ...answered('It does') } },
  '/ready': { get: { operationId: 'http.ready', summary: 'Work can be taken.', ...open, ...answered('It can') } },
  '/metrics': { get: { operationId: 'http.metrics', summary: 'Prometheus metrics.', ...answered('The metrics') } },
  '/openapi.json': { get: { operationId: 'http.openapi', summary: 'This document.', ...open, ...answered('It') } },
  '/v1/models': { get: { operationId: 'openai.models', summary: 'The agents, as models of the OpenAI API.', ...answered('A list') } },
  '/v1/chat/completions': {
    post: { operationId: 'openai.chat', summary: 'A turn, in the shape of OpenAI chat completions.', ...anyBody, ...answered('A completion, or its stream') },
  },
  '/v1/responses': {
    post: { operationId: 'openai.responses', summary: 'A turn, in the shape of OpenAI responses.', ...anyBody, ...answered('A response, or its stream') },
  },
  '/tools/invoke': { post: { operationId: 'http.tools', summary: 'One call of one tool.', ...anyBody, ...answered('Its result') } },
  '/hooks/wake': { post: { operationId: 'hooks.wake', summary: 'Tells the main session something. Needs the hook token.', ...anyBody, ...answered('Noted') } },
  '/hooks/agent': {
    post: {
      operationId: 'hooks.agent',
      summary: 'Gives an order in a session of its own. Needs the hook token.',
      ...anyBody,
      responses: { 202: { description: 'Accepted' } },
    },
  },
} as const;
