import { reactive, ref } from 'vue'
import { fieldErrors } from '@/api/fieldErrors'
import type { Tariff, TariffChange } from '@/api/policy.gen'
import { isRefusal, reason } from '@/api/problem'
import { useApi } from '@/session/useApi'

/** A rule of the base or a markup as it is edited. Its errors go with it wherever it is moved. */
export interface Row {
  key: number
  fields: Record<string, string>
  /** By field; what is wrong with the rule as a whole under ''. */
  errors: Record<string, string>
}

export type Part = 'base' | 'markups'

/** The rules of a tariff while they are edited, and changing the tariff to them. */
export function useTariffForm(tariff: Tariff) {
  const api = useApi()
  const failure = ref('')
  /** Somebody else changed the tariff meanwhile. */
  const conflict = ref(false)
  const busy = ref(false)
  let nextKey = 1

  const row = (fields: Record<string, string>): Row => ({ key: nextKey++, fields, errors: {} })
  const rows = reactive<Record<Part, Row[]>>({
    base: tariff.base.map(({ cover, when = '', premium }) => row({ cover, when, premium })),
    markups: tariff.markups.map(({ when = '', factor }) => row({ when, factor })),
  })

  function add(part: Part, cover: string) {
    const fields: Row['fields'] =
      part === 'base' ? { cover, when: '', premium: '' } : { when: '', factor: '' }
    rows[part].push(row(fields))
  }

  /** What is wrong with a field is said until it is changed. */
  function set(row: Row, field: string, value: string) {
    row.fields[field] = value
    row.errors[field] = ''
  }

  const remove = (part: Part, index: number) => void rows[part].splice(index, 1)

  function move(part: Part, index: number, by: 1 | -1) {
    const to = index + by
    const [moved] = to < 0 || to >= rows[part].length ? [] : rows[part].splice(index, 1)
    if (moved) rows[part].splice(to, 0, moved)
  }

  function request(): TariffChange {
    const when = (text = '') => (text.trim() ? { when: text.trim() } : {})
    return {
      version: tariff.version,
      base: rows.base.map(({ fields: { cover = '', when: holds, premium = '' } }) => ({
        ...{ cover, ...when(holds), premium: premium.trim() },
      })),
      markups: rows.markups.map(({ fields: { when: holds, factor = '' } }) => ({
        ...{ ...when(holds), factor: factor.trim() },
      })),
    }
  }

  async function save(): Promise<Tariff | undefined> {
    if (busy.value) return
    busy.value = true
    failure.value = ''
    conflict.value = false
    for (const each of [...rows.base, ...rows.markups]) each.errors = {}
    // What is moved while the answer is awaited keeps its own errors.
    const sent = { base: [...rows.base], markups: [...rows.markups] }
    try {
      const path = `/api/products/${encodeURIComponent(tariff.productCode)}/tariff`
      return await api.put<Tariff>(path, request())
    } catch (error) {
      const elsewhere = [...fieldErrors(error)].filter(([pointer, detail]) => {
        return !place(sent, pointer, detail)
      })
      failure.value = [reason(error), ...elsewhere.map(each => each.join(': '))].join(' · ')
      conflict.value = isRefusal(error, 'tariff-conflict')
    } finally {
      busy.value = false
    }
  }

  return { rows, failure, conflict, busy, add, set, remove, move, save }
}

/** Puts what is wrong at `#/base/0/premium` to the field that shows it; false if there is none. */
function place(rows: Record<Part, Row[]>, pointer: string, detail: string): boolean {
  const [, part, index, field = ''] = /^#\/(base|markups)\/(\d+)(?:\/(\w+))?/.exec(pointer) ?? []
  const row = part && rows[part as Part][Number(index)]
  if (row) row.errors[field in row.fields ? field : ''] ??= detail
  return !!row
}

export type TariffForm = ReturnType<typeof useTariffForm>
