const answers = [
  { questionCode: 'DESTINATION', questionType: 'Choice', answer: 'EUR' },
  { questionCode: 'NUM_OF_ADULTS', questionType: 'Numeric', answer: 1 },
  { questionCode: 'NUM_OF_CHILDREN', questionType: 'Numeric', answer: 1 },
]

/** Sells a Safe Traveller policy in an agent's name, without a browser. */
export async function sellAs(url: string, login: string) {
  const post = async <T>(path: string, body: unknown, token?: string): Promise<T> => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
  const { token } = await post<{ token: string }>('/api/session', { login, password: 'secret' })
  const offer = {
    productCode: 'TRI',
    policyFrom: '2030-01-01',
    policyTo: '2030-01-15',
    selectedCovers: ['C1'],
    answers,
  }
  const { offerNumber } = await post<{ offerNumber: string }>('/api/offers', offer, token)
  const policyHolder = { firstName: 'Jan', lastName: 'Nowak', taxId: '444-55-66' }
  const policyHolderAddress = {
    country: 'Poland',
    zipCode: '00-002',
    city: 'Gdynia',
    street: 'Sea 2',
  }
  await post('/api/policies', { offerNumber, policyHolder, policyHolderAddress }, token)
}
