/** How finely the line of {@link Shares} is divided. Whole numbers this small need no memory of their own when they are
 *  handed on, as fractions do. */
export const PARTS = 2 ** 30

/** The weights of a list laid end to end: a point of the line says which of them it falls on. */
export class Shares {
  /** Where each one ends. */
  readonly #ends: Float64Array
  #takers = 0

  constructor(length: number) {
    this.#ends = new Float64Array(length)
  }

  /** How many have any weight. */
  get takers(): number {
    return this.#takers
  }

  lay(weights: Float64Array): void {
    let end = 0
    this.#takers = 0
    for (let position = 0; position < weights.length; position++) {
      const weight = weights[position] as number
      if (weight > 0) this.#takers++
      end += weight
      this.#ends[position] = end
    }
  }

  /** Who has the point that lies `part` of {@link PARTS} along the line; somebody must have weight. */
  at(part: number): number {
    const ends = this.#ends
    return this.#find((part / PARTS) * (ends[ends.length - 1] as number))
  }

  /** {@link at} on a line without the one at `position`; somebody else must have weight. */
  atWithout(part: number, position: number): number {
    const ends = this.#ends
    const start = position === 0 ? 0 : (ends[position - 1] as number)
    const gone = (ends[position] as number) - start
    const point = (part / PARTS) * ((ends[ends.length - 1] as number) - gone)
    return this.#find(point < start ? point : point + gone)
  }

  #find(point: number): number {
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
}
