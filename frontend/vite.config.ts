import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const server = 'http://127.0.0.1:8080'

// Redoc renders the portal's pages of REST at /docs. Its badge would fetch a
// picture from another host; without one it is not shown.
const redoc: Plugin = {
  name: 'redoc',
  apply: 'build',
  generateBundle() {
    const file = (name: string) =>
      readFileSync(fileURLToPath(import.meta.resolve(`redoc/bundles/${name}`)), 'utf8')
    const script = file('redoc.standalone.js')
    const badge = 'https://cdn.redoc.ly/redoc/logo-mini.svg'
    if (!script.includes(badge)) this.error('Redoc has changed: where is its badge?')
    const emit = (name: string, source: string) =>
      this.emitFile({ type: 'asset', fileName: `docs/${name}`, source })
    emit('redoc.standalone.js', script.replace(badge, 'data:,'))
    emit('redoc.standalone.js.LICENSE.txt', file('redoc.standalone.js.LICENSE.txt'))
  },
}

export default defineConfig({
  resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } },
  plugins: [vue(), tailwindcss(), redoc],
  build: {
    // The portal embeds this folder. public/.gitkeep brings back the one
    // committed file that emptying it removes.
    outDir: '../services/portal/web/dist',
    emptyOutDir: true,
  },
  server: {
    // The tests read the contract's examples.
    fs: { allow: ['..'] },
    proxy: {
      '/api': server,
      '/hub': { target: server, ws: true },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    restoreMocks: true,
  },
})
