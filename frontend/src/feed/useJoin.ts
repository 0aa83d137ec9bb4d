import { computed, onScopeDispose, ref, watch } from 'vue'
import type { Cursors, Entry, Joined } from '@/api/hubs.gen'
import { NoAnswer } from '@/api/noAnswer'
import { backoff } from '@/hub/backoff'
import type { Hub, HubStatus } from '@/hub/useHub'

/**
 * Joins after each connection and on request; only the newest answer counts. Pushes
 * right behind an answer may arrive before the answer is applied: they are buffered
 * until then.
 */
export function useJoin(
  hub: Hub,
  cursors: () => Cursors,
  joined: (answer: Joined, asked: Cursors) => void,
  heard: (entry: Entry) => void,
) {
  const live = ref(false)
  /** Whether an answer has been applied. */
  const known = ref(false)
  let early: Entry[] | undefined
  let asking = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  async function join(tries = 0) {
    clearTimeout(timer)
    const mine = ++asking
    const asked = cursors()
    early = []
    try {
      const answer = await hub.invoke('Join', asked)
      if (mine === asking) settle(answer, asked)
    } catch (error) {
      if (mine !== asking) return
      early = undefined
      live.value = false
      // The next connection joins anyway.
      if (error instanceof NoAnswer) return
      timer = setTimeout(join, backoff(tries), tries + 1)
    }
  }

  function settle(answer: Joined, asked: Cursors) {
    const waiting = early ?? []
    early = undefined
    joined(answer, asked)
    live.value = known.value = true
    waiting.forEach(heard)
  }

  function leave() {
    clearTimeout(timer)
    asking++
    early = undefined
    live.value = false
  }

  hub.on('Entry', entry => (early ? void early.push(entry) : heard(entry)))
  watch(hub.status, status => (status === 'open' ? void join() : leave()), { flush: 'sync' })
  onScopeDispose(leave)

  const status = computed<HubStatus>(() => {
    if (hub.status.value === 'open' && live.value) return 'open'
    return known.value || hub.status.value === 'reconnecting' ? 'reconnecting' : 'connecting'
  })

  return { join: () => void join(), status, known }
}
