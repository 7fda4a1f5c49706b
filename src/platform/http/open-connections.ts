import type { IncomingMessage, Server, ServerResponse } from 'node:http';

type Socket = IncomingMessage['socket'];

/** Which connections a server has, and what each of them is asking: for the drain, which waits for answers and for nothing else. */
export class OpenConnections {
  private readonly sockets = new Set<Socket>();
  /** More than one where a client does not wait for answers. */
  private readonly asking = new Map<Socket, Set<IncomingMessage>>();

  /** @param most connections that there may be at once; others are closed as soon as they come */
  constructor(server: Server, most: number) {
    server.maxConnections = most;
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      const requests = this.asking.get(socket) ?? new Set();
      this.asking.set(socket, requests.add(request));
      response.once('close', () => {
        requests.delete(request);
        if (requests.size === 0) this.asking.delete(socket);
      });
    });
    // Expectations other than 100-continue are nobody's business here (RFC 9110, section 10.1.1 lets us ignore them).
    server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  }

  /** Ends connections that have not asked anything whole: a request whose end never comes is not under way. */
  dropUnfinished(): void {
    for (const socket of this.sockets) {
      const requests = [...(this.asking.get(socket) ?? [])];
      if (!requests.some(({ complete }) => complete)) socket.destroy();
    }
  }
}
