import { test as base, expect, type BrowserContextOptions } from '@playwright/test'
import { AgentPage } from './AgentPage'
import { Parley } from './Parley'

interface Fixtures {
  parley: Parley
  /** Opens the portal in a browser that shares nothing with the others. */
  open: (options?: BrowserContextOptions) => Promise<AgentPage>
}

export const test = base.extend<Fixtures>({
  parley: async ({}, use) => {
    const parley = await Parley.start()
    await use(parley)
    await parley.remove()
  },
  open: async ({ browser, parley }, use) => {
    const agents: AgentPage[] = []
    await use(async options => {
      const agent = await AgentPage.open(await browser.newContext(options), parley.url)
      agents.push(agent)
      return agent
    })
    expect(agents.flatMap(({ problems }) => problems)).toEqual([])
    await Promise.all(agents.map(({ page }) => page.context().close()))
  },
})

export { expect }
