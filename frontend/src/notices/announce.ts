import { Bell } from '@lucide/vue'
import { h } from 'vue'
import { toast } from 'vue-sonner'
import type { Entry } from '@/api/hubs.gen'

/** Above this number, notices that arrive together are counted in one toast. */
const most = 3

/** Shows toasts for new notices, and for notices that arrived while the connection was lost. */
export function announce(notices: Entry[]) {
  if (notices.length > most) show(`${notices.length} notices came while you were away`)
  else for (const { body } of notices) show(body)
}

/** Toasts are a polite live region. */
const show = (text: string) =>
  void toast(text, { duration: 6_000, icon: h(Bell, { size: 18, 'aria-hidden': true }) })
