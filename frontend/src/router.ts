import { createRouter, createWebHistory } from 'vue-router'
import { useSessionStore } from './session/sessionStore'

declare module 'vue-router' {
  interface RouteMeta {
    /** Shown without a session. */
    open?: boolean
    /** Shown to administrators only; other agents get the page for unknown addresses. */
    admin?: boolean
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    {
      path: '/sign-in',
      name: 'sign-in',
      component: () => import('./session/SignInPage.vue'),
      meta: { open: true },
    },
    { path: '/', redirect: { name: 'products' } },
    {
      path: '/products',
      name: 'products',
      component: () => import('./products/ProductsPage.vue'),
    },
    {
      path: '/products/:code/offer',
      name: 'offer',
      component: () => import('./offers/OfferPage.vue'),
      props: true,
    },
    {
      path: '/policies',
      name: 'policies',
      component: () => import('./policies/PoliciesPage.vue'),
    },
    {
      path: '/policies/:number',
      name: 'policy',
      component: () => import('./policies/PolicyPage.vue'),
      props: true,
    },
    { path: '/chat', name: 'chat', component: () => import('./chat/ChatPage.vue') },
    { path: '/admin', redirect: { name: 'admin-products' } },
    {
      path: '/admin/products',
      name: 'admin-products',
      component: () => import('./admin/AdminProductsPage.vue'),
      meta: { admin: true },
    },
    {
      path: '/admin/products/:code/tariff',
      name: 'tariff',
      component: () => import('./tariff/TariffPage.vue'),
      props: true,
      meta: { admin: true },
    },
    {
      path: '/admin/announcement',
      name: 'announce',
      component: () => import('./announcements/AnnouncePage.vue'),
      meta: { admin: true },
    },
    {
      path: '/:path(.*)*',
      name: 'not-found',
      component: () => import('./shell/NotFoundPage.vue'),
    },
  ],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach(async to => {
  const session = useSessionStore()
  await session.resume()
  if (!session.agent && !to.meta.open)
    return { name: 'sign-in', query: to.redirectedFrom ? {} : { next: to.fullPath }, replace: true }
  if (session.agent && to.name === 'sign-in') return { name: 'products', replace: true }
  if (to.meta.admin && !session.isAdmin)
    return { name: 'not-found', params: { path: to.path.slice(1).split('/') } }
})
