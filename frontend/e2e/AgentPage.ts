import { expect, type BrowserContext, type Page } from '@playwright/test'

/** An agent at the portal, in a browser of their own. */
export class AgentPage {
  readonly problems: string[] = []

  constructor(
    readonly page: Page,
    private readonly url: string,
  ) {
    page.on('pageerror', error => this.problems.push(error.message))
    page.on('console', message => {
      // The page's own security policy tells what it forbade.
      if (message.text().includes('Content Security Policy')) this.problems.push(message.text())
    })
  }

  static async open(context: BrowserContext, url: string) {
    const agent = new AgentPage(await context.newPage(), url)
    await agent.page.goto(url)
    return agent
  }

  async signIn(login: string, password = 'secret') {
    await this.page.goto(`${this.url}/sign-in`)
    await this.page.getByLabel('Login').fill(login)
    await this.page.getByLabel('Password').fill(password)
    await this.page.getByRole('button', { name: 'Sign in' }).click()
  }

  async arrive(login: string, password?: string) {
    await this.signIn(login, password)
    await expect(this.page.getByRole('heading', { name: 'Products', level: 1 })).toBeVisible()
    await this.isConnected()
  }

  isConnected = () => this.hasState('Connected')

  hasState = (words: string) =>
    expect(this.page.getByRole('status').filter({ hasText: words })).toBeVisible()

  goTo = (name: 'Products' | 'Policies' | 'Chat' | 'Admin') =>
    this.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click()

  /** Answers the questions of Safe Traveller and gets the price of all its covers. */
  async offerTravel() {
    const { page } = this
    await this.goTo('Products')
    await page.getByRole('link', { name: 'Make an offer: Safe Traveller' }).click()
    await page.getByRole('radio', { name: 'Europe' }).click()
    await page.getByRole('spinbutton', { name: 'How many adults travel?' }).fill('1')
    await page.getByRole('spinbutton', { name: 'How many children travel?' }).fill('1')
    for (const cover of await page.getByRole('checkbox').all()) await cover.setChecked(true)
    await page.getByRole('button', { name: 'Get the price' }).click()
  }

  /** Buys the offer that is shown, and opens the policy. Returns its number. */
  async buy() {
    const { page } = this
    for (const [label, value] of Object.entries(holder)) await page.getByLabel(label).fill(value)
    await page.getByRole('button', { name: 'Buy the policy' }).click()
    await expect(page.getByRole('heading', { name: 'Policy sold' })).toBeVisible()
    const number = await page.locator('main strong').innerText()
    await page.getByRole('link', { name: 'View policy' }).click()
    await expect(
      page.getByRole('heading', { name: 'Safe Traveller for Anna Kowalska' }),
    ).toBeVisible()
    await expect(page.getByText(`Policy ${number}`)).toBeVisible()
    return number
  }

  async say(text: string) {
    const input = this.page.getByRole('textbox', { name: 'Message' })
    await input.fill(text)
    await input.press('Enter')
    await expect(input).toHaveValue('')
  }

  /** A message as it stands in the chat; not where another one quotes it. */
  message = (text: string) =>
    this.page
      .getByRole('log', { name: 'Messages' })
      .getByText(text, { exact: true })
      .and(this.page.locator('p'))

  /** Waits for the toast that tells a notice. It is there for a few seconds: begin before its cause. */
  isTold = (notice: string | RegExp) => expect(this.page.getByText(notice)).toBeVisible()

  openNotices = async () => {
    await this.page.getByRole('button', { name: /^Notices/ }).click()
    return this.page.getByRole('dialog', { name: 'Notices' })
  }
}

const holder = {
  'First name': 'Anna',
  'Last name': 'Kowalska',
  'Tax id': '111-22-33',
  Street: 'Main Street 1',
  City: 'Warsaw',
  'Zip code': '00-001',
  Country: 'Poland',
}
