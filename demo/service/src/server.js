import { createServer } from 'node:http';
import { createService } from './service.js';

const service = createService();

createServer((request, response) => {
  const { status, body } = service.handle({ client: request.socket.remoteAddress, path: request.url });
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${body}\n`);
}).listen(Number(process.env.PORT ?? 8080));
