import { startApp, type TestApp } from '../../../test/support/app.js';

describe('authentication', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app.close());

  it('logs the first operator in and says who that is', async () => {
    const me = await app.admin.get('/api/v1/auth/me/');
    expect(me.body).toMatchObject({ username: 'admin', is_operator: true });
  });
});
