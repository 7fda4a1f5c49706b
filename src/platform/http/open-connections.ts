import type { IncomingMessage, Server, ServerResponse } from 'node:http';

type Socket = IncomingMessage['socket'];

/** Which connections a server has, and what each of them is asking: for the drain, which waits for answers and for nothing else. */
export class OpenConnections {
  private readonly sockets = new Set<Socket>();
  private readonly asking = new Map<Socket, IncomingMessage>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.asking.set(request.socket, request);
      response.once('close', () => this.asking.delete(request.socket));
    });
    // Expectations other than 100-continue are nobody's business here (RFC 9110, section 10.1.1 lets us ignore them).
    server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  }

  /** Ends connections that have not asked anything whole: a request whose end never comes is not under way. */
  dropUnfinished(): void {
    for (const socket of this.sockets) if (!this.asking.get(socket)?.complete) socket.destroy();
  }
}
