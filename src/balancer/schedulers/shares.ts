/** The weights of a list laid end to end: a number says which of them it falls on. */
export class Shares {
  /** Where each one ends. */
  readonly #ends: Float64Array

  constructor(length: number) {
    this.#ends = new Float64Array(length)
  }

  /** Their sum. */
  get total(): number {
    return this.#ends.at(-1) ?? 0
  }

  lay(weights: Float64Array): void {
    let end = 0
    for (let position = 0; position < weights.length; position++) {
      end += weights[position] as number
      this.#ends[position] = end
    }
  }

  /** Who has this point of the line, from 0 up to the total. */
  at(point: number): number {
    const ends = this.#ends
    let low = 0
    let high = ends.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (point < (ends[middle] as number)) high = middle
      else low = middle + 1
    }
    return low
  }

  /** {@link at} on a line without the one at `position`. */
  atWithout(point: number, position: number): number {
    const end = this.#ends[position] as number
    const start = position === 0 ? 0 : (this.#ends[position - 1] as number)
    return this.at(point < start ? point : point + end - start)
  }
}
