import { reactive, ref } from 'vue'
import { fieldErrors } from '@/api/fieldErrors'
import type { Tariff, TariffChange } from '@/api/policy.gen'
import { isRefusal, reason } from '@/api/problem'
import { useApi } from '@/session/useApi'

/** A base rule or a markup in the editor. Its errors move with it. */
export interface Row {
  key: number
  fields: Record<string, string>
  /** By field; errors of the whole rule under ''. */
  errors: Record<string, string>
}

export type Part = 'base' | 'markups'

/** The editor's state of a tariff, and the request that saves it. */
export function useTariffForm(tariff: Tariff) {
  const api = useApi()
  const failure = ref('')
  /** Another administrator has changed the tariff meanwhile. */
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

  /** Clears a field's error when the field changes. */
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
    // A rule that is moved while the request runs keeps its own errors.
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

/** Shows the error at `#/base/0/premium` at its field; false if there is no such field. */
function place(rows: Record<Part, Row[]>, pointer: string, detail: string): boolean {
  const [, part, index, field = ''] = /^#\/(base|markups)\/(\d+)(?:\/(\w+))?/.exec(pointer) ?? []
  const row = part && rows[part as Part][Number(index)]
  if (row) row.errors[field in row.fields ? field : ''] ??= detail
  return !!row
}

export type TariffForm = ReturnType<typeof useTariffForm>
