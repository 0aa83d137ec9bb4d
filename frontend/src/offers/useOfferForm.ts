import { reactive, ref, watch } from 'vue'
import { fieldErrors } from '@/api/fieldErrors'
import type { OfferRequest, Product, Question } from '@/api/policy.gen'
import { today, yearsAfter } from '@/ui/format'

/** Form fields by their JSON pointers in the request. */
const fields: Record<string, string> = {
  policyFrom: 'policyFrom',
  policyTo: 'policyTo',
  selectedCovers: 'covers',
}

/** The form of an offer, made from the questions and covers of its product. */
export function useOfferForm(product: Product) {
  const questions = [...product.questions].sort((a, b) => a.index - b.index)
  const policyFrom = ref(today())
  const policyTo = ref(yearsAfter(today(), 1))
  const covers = ref(product.covers.filter(cover => !cover.optional).map(({ code }) => code))
  /** By question code; empty at first, without defaults. */
  const answers = reactive<Record<string, string | number | undefined>>({})
  /** By field: policyFrom, policyTo, covers, or a question's code. */
  const errors = ref<Record<string, string>>({})

  /** Validates the form and shows the errors; true when there are none. */
  function validate(): boolean {
    const found: Record<string, string> = {}
    if (!policyFrom.value) found.policyFrom = 'Choose the first day.'
    if (!policyTo.value) found.policyTo = 'Choose the last day.'
    else if (policyTo.value <= policyFrom.value)
      found.policyTo = 'The last day must come after the first.'
    if (covers.value.length === 0) found.covers = 'Choose at least one cover.'
    for (const question of questions) {
      const wrong = check(question, answers[question.questionCode])
      if (wrong) found[question.questionCode] = wrong
    }
    errors.value = found
    return Object.keys(found).length === 0
  }

  // After the first validation, errors follow the fields as they change.
  watch([policyFrom, policyTo, covers, answers], () => {
    if (Object.keys(errors.value).length > 0) validate()
  })

  const request = (): OfferRequest => ({
    productCode: product.code,
    policyFrom: policyFrom.value,
    policyTo: policyTo.value,
    selectedCovers: product.covers
      .map(({ code }) => code)
      .filter(code => covers.value.includes(code)),
    answers: questions.map(({ questionCode, questionType }) => ({
      questionCode,
      questionType,
      answer: answers[questionCode] ?? '',
    })),
  })

  /** Shows an error of the server at its field; false if the form has no such field. */
  function refuse(error: unknown): boolean {
    const found: Record<string, string> = {}
    const refused = [...fieldErrors(error)]
    for (const [pointer, detail] of refused) {
      const [, part = '', index] = /^#\/(\w+)(?:\/(\d+))?/.exec(pointer) ?? []
      const code = part === 'answers' ? questions[Number(index)]?.questionCode : fields[part]
      if (code) found[code] ??= detail
      else return false
    }
    errors.value = found
    return refused.length > 0
  }

  return { questions, policyFrom, policyTo, covers, answers, errors, validate, request, refuse }
}

export type OfferForm = ReturnType<typeof useOfferForm>

function check(question: Question, answer: string | number | undefined): string | undefined {
  const { questionType, minimum, maximum, integer } = question
  if (questionType === 'Choice') return answer ? undefined : 'Choose one.'
  if (questionType === 'Text') return String(answer ?? '').trim() ? undefined : 'Write an answer.'
  if (typeof answer !== 'number' || Number.isNaN(answer)) return 'Enter a number.'
  if (integer && !Number.isInteger(answer)) return 'Enter a whole number.'
  if (minimum !== undefined && answer < minimum) return `Enter ${minimum} or more.`
  if (maximum !== undefined && answer > maximum) return `Enter ${maximum} or less.`
}
