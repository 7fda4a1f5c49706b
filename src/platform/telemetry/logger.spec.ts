import { QueryFailedError } from 'typeorm';
import { createLogger, JsonLogger } from './logger.js';

function lines(write: (logger: JsonLogger) => void): string {
  let text = '';
  write(new JsonLogger(createLogger('info', { write: (line: string) => void (text += line) })));
  return text;
}

describe('the log', () => {
  it('says what went wrong in the database without the values that were written', () => {
    const driver = Object.assign(new Error('null value in column "x"'), {
      code: '23502',
      detail: 'Failing row contains (hash-in-detail).',
    });
    const error = new QueryFailedError('INSERT INTO users VALUES ($1)', ['hash-in-parameters'], driver);
    const text = lines((logger) => logger.error({ err: error }, 'unexpected error', 'http'));
    expect(text).toContain('null value in column');
    expect(text).toContain('23502');
    expect(text).not.toMatch(/hash-in-/);
  });

  it('leaves out what stands under the name of a secret', () => {
    const text = lines((logger) =>
      logger.log({ auth_data: { api_token: 'one' }, user: { password: 'two' }, authorization: 'three' }, 'x', 'y'),
    );
    expect(text).not.toMatch(/one|two|three/);
  });
});
