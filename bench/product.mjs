// The product as it is built, on a free port, saying so to its parent.
import { createServer } from 'node:net';

const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port: free } = probe.address();
    probe.close(() => resolve(free));
  });
});
process.env.PORT = String(port);
await import('../dist/src/main.js');
process.send({ port });
