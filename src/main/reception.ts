// Who comes is sent to the workspace whose secret it shows; everybody else to the owner's, which turns it away.

import { ConnectParams, RequestFrame } from '../domain/frame.ts';
import type { WsDoor } from '../doors/ws.ts';
import type { Workspace } from './workspace.ts';

export function createReception(workspaces: readonly Workspace[]) {
  const [own] = workspaces as readonly [Workspace]; // there is always the owner's
  const withSecret = (credentials: readonly (string | undefined)[]): Workspace | undefined =>
    workspaces.find((workspace) => credentials.some((credential) => credential !== undefined && workspace.knows(credential)));
  return {
    allowedOrigins: () => workspaces.flatMap((workspace) => workspace.allowedOrigins()),
    answer: (request: Request, env: unknown): Response | Promise<Response> => {
      const bearer = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
      const hook = request.headers.get('x-clawdbot-token') ?? undefined;
      const { app } = (workspaces.length > 1 && withSecret([bearer, hook])) || own;
      return app.fetch(request, env as never); // what the server's listener hands on
    },
    /** For the first frame of a connection. */
    doorFor: async (text: string): Promise<WsDoor> => {
      const hello = workspaces.length > 1 ? helloIn(text) : undefined;
      if (!hello) return own.ws;
      const { auth, device, role = 'operator' } = hello;
      const bySecret = withSecret([auth?.token, auth?.password]);
      if (bySecret) return bySecret.ws;
      if (device && auth?.token !== undefined) {
        for (const workspace of workspaces) if (await workspace.knowsDevice(device.id, role, auth.token)) return workspace.ws;
      }
      return own.ws;
    },
  };
}

function helloIn(text: string): ConnectParams | undefined {
  try {
    const frame = RequestFrame.safeParse(JSON.parse(text));
    const hello = frame.success ? ConnectParams.safeParse(frame.data.params) : undefined;
    return hello?.success ? hello.data : undefined;
  } catch {
    return undefined; // the door says what is wrong with it
  }
}
