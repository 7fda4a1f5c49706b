/** Jest calls it after failing tests too. */
export default async function tearDown(): Promise<void> {
  await globalThis.postgresRun?.end();
}
