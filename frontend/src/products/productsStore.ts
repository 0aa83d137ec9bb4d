import { defineStore } from 'pinia'
import { shallowRef, watch } from 'vue'
import type { Product, ProductPage } from '@/api/policy.gen'
import { useSessionStore } from '@/session/sessionStore'
import { useApi } from '@/session/useApi'

/** The products visible to the agent, cached for the names on every page. */
export const useProductsStore = defineStore('products', () => {
  const api = useApi()
  const session = useSessionStore()
  const products = shallowRef<Product[]>([])

  // Another agent signed in: an administrator's drafts must not be shown.
  watch(
    () => session.agent?.login,
    () => (products.value = []),
  )

  async function load(signal: AbortSignal): Promise<Product[]> {
    const loaded: Product[] = []
    let cursor = ''
    do {
      const query = new URLSearchParams({ limit: '100', ...(cursor && { cursor }) })
      const page = await api.get<ProductPage>(`/api/products?${query}`, signal)
      loaded.push(...page.items)
      cursor = page.next ?? ''
    } while (cursor)
    return (products.value = loaded)
  }

  const find = (code: string) => products.value.find(product => product.code === code)

  return {
    products,
    load,
    /** Loads the products from the server unless they are loaded. */
    ensure: async (signal: AbortSignal) =>
      products.value.length > 0 ? products.value : load(signal),
    find,
    productName: (code: string) => find(code)?.name ?? code,
    coverName: (code: string, cover: string) =>
      find(code)?.covers.find(each => each.code === cover)?.name ?? cover,
  }
})
