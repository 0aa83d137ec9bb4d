// What the server says and hears, as its contracts put it.

export interface ProblemBody {
  type?: string
  title?: string
  status?: number
  detail?: string
  code?: string
}

export interface Page<T> {
  items: T[]
  /** The cursor of what follows; empty or absent on the last page. */
  next?: string | null
}

export interface Agent {
  login: string
  name: string
  avatar: string
  roles: string[]
}

export interface SessionAnswer {
  token: string
  expiresAt: string
  agent: Agent
}

export interface Cover {
  code: string
  name: string
  description: string
  optional: boolean
  sumInsured?: number
}

export type QuestionType = 'Text' | 'Numeric' | 'Choice'

export interface Question {
  index: number
  questionCode: string
  questionType: QuestionType
  text: string
  choices?: { code: string; label: string }[]
  minimum?: number
  maximum?: number
  integer?: boolean
}

export interface Product {
  code: string
  name: string
  image: string
  description: string
  icon: string
  maxNumberOfInsured: number
  status: 'active' | 'draft'
  covers: Cover[]
  questions: Question[]
}

export interface Answer {
  questionCode: string
  questionType: QuestionType
  answer: string | number
}

export interface OfferRequest {
  productCode: string
  policyFrom: string
  policyTo: string
  selectedCovers: string[]
  answers: Answer[]
}

export interface Offer {
  offerNumber: string
  totalPrice: number
  coversPrices: Record<string, number>
}

export interface PurchaseRequest {
  offerNumber: string
  policyHolder: { firstName: string; lastName: string; taxId: string }
  policyHolderAddress: { country: string; zipCode: string; city: string; street: string }
}

export interface Purchase {
  policyNumber: string
}

export interface PolicySummary {
  number: string
  dateFrom: string
  dateTo: string
  policyHolder: string
  totalPremium: number
  productCode: string
  status: 'Active' | 'Terminated'
  agentLogin: string
}

export interface PolicyVersion {
  versionNumber: number
  coverFrom: string
  coverTo: string
  validFrom: string
  validTo: string
  totalPremium: number
  covers: { code: string; premium: number }[]
}

export interface Policy extends PolicySummary {
  covers: string[]
  versions: PolicyVersion[]
}

export interface Termination {
  policyNumber: string
  moneyToReturn: number
}

export interface Entry {
  stream: string
  /** 1, 2, 3 … in its stream, without a hole. */
  sequence: number
  tag: string
  id: string
  kind: string
  author: string
  avatar: string
  body: string
  at: string
}

export interface EntriesPage {
  entries: Entry[]
  cursor: string
  more: boolean
}
