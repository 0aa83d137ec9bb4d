import { Bell } from '@lucide/vue'
import { h } from 'vue'
import { toast } from 'vue-sonner'
import type { Entry } from '@/api/types'

/** More at once than this are counted, not told one by one. */
const most = 3

/** Tells a notice as it came. Toasts are a polite live region. */
export const announce = (text: string) =>
  void toast(text, { duration: 6_000, icon: h(Bell, { size: 18, 'aria-hidden': true }) })

/** Tells what came while nothing could be pushed. */
export function announceMissed(missed: Entry[]) {
  if (missed.length > most) announce(`${missed.length} notices came while you were away`)
  else for (const { body } of missed) announce(body)
}
