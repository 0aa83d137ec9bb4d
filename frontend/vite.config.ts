import tailwindcss from '@tailwindcss/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const server = 'http://127.0.0.1:8080'

export default defineConfig({
  resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } },
  plugins: [vue(), tailwindcss()],
  build: {
    // The portal embeds this folder. public/.gitkeep brings back the one
    // committed file that emptying it removes.
    outDir: '../services/portal/web/dist',
    emptyOutDir: true,
  },
  server: {
    proxy: {
      '/api': server,
      '/agentsChat': { target: server, ws: true },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    restoreMocks: true,
  },
})
