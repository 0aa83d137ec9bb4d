/** There was no answer, or not in time. What was asked may have been done all the same. */
export class NoAnswer extends Error {
  constructor(cause: unknown) {
    super('no answer from the server', { cause })
    this.name = 'NoAnswer'
  }
}
