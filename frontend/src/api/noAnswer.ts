/** No response arrived in time. The request may have taken effect. */
export class NoAnswer extends Error {
  constructor(cause: unknown) {
    super('no answer from the server', { cause })
    this.name = 'NoAnswer'
  }
}
