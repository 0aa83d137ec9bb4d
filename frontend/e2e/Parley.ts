import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const binary = process.env.PARLEY ?? join(import.meta.dirname, '../../bin/parley')

/** The real server, with data of its own, that can be killed and started again. */
export class Parley {
  private process: ChildProcess | undefined
  private output = ''

  private constructor(
    private readonly address: string,
    private readonly data: string,
  ) {}

  static async start(): Promise<Parley> {
    const data = await mkdtemp(join(tmpdir(), 'parley-e2e-'))
    const parley = new Parley(`127.0.0.1:${await freePort()}`, data)
    await parley.run()
    return parley
  }

  private get copy() {
    return `${this.data}-copy`
  }

  get url() {
    return `http://${this.address}`
  }

  /** Starts it on the data that it left. */
  async run() {
    const environment = {
      PATH: process.env.PATH,
      PARLEY_ADDR: this.address,
      PARLEY_DATA: this.data,
    }
    const child = (this.process = spawn(binary, { env: environment }))
    child.on('error', error => (this.output += error.message))
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    for (let tries = 0; tries < 200; tries++) {
      if (child.exitCode !== null) break
      if (await this.isReady()) return
      await delay(50)
    }
    throw new Error(`parley did not start:\n${this.output}`)
  }

  /** As a power cut does it. */
  async kill() {
    const child = this.process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Copies its data while it is stopped. */
  save = () => cp(this.data, this.copy, { recursive: true })

  /** Puts the copy back while it is stopped. */
  async putBack() {
    await rm(this.data, { recursive: true })
    await cp(this.copy, this.data, { recursive: true })
  }

  async remove() {
    await this.kill()
    for (const folder of [this.data, this.copy]) await rm(folder, { recursive: true, force: true })
  }

  private isReady = () =>
    fetch(`${this.url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
