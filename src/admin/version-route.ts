import type { AdminRegistrar } from './front/registrar.ts'

/** `GET /portald/v1/version`: which program this is. */
export const registerVersion: AdminRegistrar = (app, { proxy, startedAtMs, version }) => {
  app.get('/portald/v1/version', () => ({
    version,
    node: process.versions.node,
    engine: proxy.read().engine,
    pid: process.pid,
    startedAt: new Date(startedAtMs).toISOString(),
  }))
}
