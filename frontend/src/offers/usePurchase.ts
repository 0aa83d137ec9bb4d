import { reactive, ref, watch } from 'vue'
import { makeAttempt } from '@/api/attempt'
import { fieldErrors } from '@/api/fieldErrors'
import { reason } from '@/api/problem'
import type { Purchase, PurchaseRequest } from '@/api/policy.gen'
import { useApi } from '@/session/useApi'

const names = ['firstName', 'lastName', 'taxId', 'country', 'zipCode', 'city', 'street'] as const

export type HolderField = (typeof names)[number]

/** The policy holder's form and the purchase: once, however often the request is retried. */
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
  // The same body is the same purchase, also when its response was lost.
  const attempt = makeAttempt()

  // After the first validation, errors follow the fields as they change.
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

  /** Shows an error of the server at its field; false if the form has no such field. */
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
