import { describe, expect, it } from 'vitest'
import type { Entry } from '@/api/types'
import { settle, type Provisional } from './settle'

const pushed = (key: number, body: string, author = 'danny.solid'): Provisional => ({
  key,
  kind: 'message',
  author,
  avatar: '',
  body,
  at: '',
  seen: false,
})

const entry = (sequence: number, body: string, author = 'danny.solid'): Entry => ({
  stream: 'General',
  sequence,
  tag: '',
  id: String(sequence),
  kind: 'message',
  author,
  avatar: '',
  body,
  at: '',
})

describe('what was pushed, against what the log answered', () => {
  it('is dropped when it came before the question, found or not', () => {
    const { kept } = settle([pushed(1, 'found'), pushed(2, 'lost')], 3, [entry(1, 'found')])
    expect(kept).toEqual([])
  })

  it('stays when it came during the question and is not in the answer', () => {
    const { kept } = settle([pushed(3, 'new')], 3, [entry(1, 'old')])
    expect(kept.map(({ key }) => key)).toEqual([3])
  })

  it('goes when it came during the question and is in the answer', () => {
    const { kept, pairs } = settle([pushed(3, 'new')], 3, [entry(7, 'new')])
    expect(kept).toEqual([])
    expect(pairs.map(([item, { sequence }]) => [item.key, sequence])).toEqual([[3, 7]])
  })

  it('is counted: of two alike, the answer with one confirms the earlier', () => {
    const { kept } = settle([pushed(1, 'hi'), pushed(3, 'hi')], 2, [entry(1, 'hi')])
    expect(kept.map(({ key }) => key)).toEqual([3])
  })

  it('is told apart by its author', () => {
    const { kept } = settle([pushed(3, 'hi', 'jimmy.solid')], 3, [entry(1, 'hi')])
    expect(kept.map(({ key }) => key)).toEqual([3])
  })

  it('leaves over what nobody pushed', () => {
    const { unannounced } = settle([pushed(1, 'a')], 2, [entry(1, 'a'), entry(2, 'b')])
    expect(unannounced.map(({ body }) => body)).toEqual(['b'])
  })
})
