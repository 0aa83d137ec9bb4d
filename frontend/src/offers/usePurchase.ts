import { reactive, ref, watch } from 'vue'
import { makeAttempt } from '@/api/attempt'
import { fieldErrors } from '@/api/fieldErrors'
import { reason } from '@/api/problem'
import type { Purchase, PurchaseRequest } from '@/api/policy.gen'
import { useApi } from '@/session/useApi'

const names = ['firstName', 'lastName', 'taxId', 'country', 'zipCode', 'city', 'street'] as const

export type HolderField = (typeof names)[number]

/** Who the policy is for, and buying it: once, however often it has to be tried. */
export function usePurchase(offerNumber: string) {
  const api = useApi()
  const holder = reactive<Record<HolderField, string>>({
    firstName: '',
    lastName: '',
    taxId: '',
    country: '',
    zipCode: '',
    city: '',
    street: '',
  })
  const errors = ref<Partial<Record<HolderField, string>>>({})
  const failure = ref('')
  const busy = ref(false)
  // The same body is the same purchase, also when the answer to it was lost.
  const attempt = makeAttempt()

  // Once something is refused, it is said no longer than it holds.
  watch(holder, () => {
    if (Object.keys(errors.value).length > 0) validate()
  })

  async function buy(): Promise<Purchase | undefined> {
    if (busy.value || !validate()) return
    const body = request()
    busy.value = true
    failure.value = ''
    try {
      const headers = { 'Idempotency-Key': attempt.keyFor(JSON.stringify(body)) }
      return await api.post<Purchase>('/api/policies', body, { headers })
    } catch (error) {
      if (!refuse(error)) failure.value = reason(error)
    } finally {
      busy.value = false
    }
  }

  /** Shows what the server refused at its field; false if there is none for it. */
  function refuse(error: unknown): boolean {
    const refused = [...fieldErrors(error)].map(([pointer, detail]) => {
      const name = pointer.slice(pointer.lastIndexOf('/') + 1)
      return [names.find(each => each === name), detail] as const
    })
    if (refused.length === 0 || refused.some(([name]) => !name)) return false
    errors.value = Object.fromEntries(refused)
    return true
  }

  function validate(): boolean {
    errors.value = Object.fromEntries(
      names.filter(name => !holder[name].trim()).map(name => [name, 'This is required.']),
    )
    return Object.keys(errors.value).length === 0
  }

  function request(): PurchaseRequest {
    const [firstName, lastName, taxId, country, zipCode, city, street] = names.map(name =>
      holder[name].trim(),
    ) as [string, string, string, string, string, string, string]
    return {
      offerNumber,
      policyHolder: { firstName, lastName, taxId },
      policyHolderAddress: { country, zipCode, city, street },
    }
  }

  return { holder, errors, failure, busy, buy }
}
