// Loaded into a product under test by NODE_OPTIONS=--import: on SIGUSR2 it does what the file FAULT_ORDERS says.
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const RealDate = Date;
let offsetMs = 0;

globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + offsetMs);
    else super(...parts);
  }

  static now() {
    return RealDate.now() + offsetMs;
  }
};

if (isMainThread) {
  process.on('SIGUSR2', () => {
    const { clockOffsetMs = offsetMs, rejections = 0 } = JSON.parse(readFileSync(process.env.FAULT_ORDERS, 'utf8'));
    offsetMs = clockOffsetMs;
    for (let count = 0; count < rejections; count++) void Promise.reject(new Error('nobody waits for this'));
  });
}
