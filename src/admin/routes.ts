import type { LazyRegistrar } from './front/application.ts'

/** Every part of the admin API. They are loaded with the first request. */
export const ADMIN_ROUTES: readonly LazyRegistrar[] = [
  async () => (await import('./version-route.ts')).registerVersion,
  async () => (await import('./kube/kube-routes.ts')).registerKube,
  async () => (await import('./export-route.ts')).registerExport,
  async () => (await import('./inspect-routes.ts')).registerInspection,
  async () => (await import('./trace-route.ts')).registerTrace,
  async () => (await import('./ui/ui-routes.ts')).registerUi,
]
