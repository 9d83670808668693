/** Directions that something has to be done for later, each with the generation it had; grows, never shrinks. */
export class DirectionQueue {
  #directions = new Int32Array(256)
  #generations = new Int32Array(256)
  length = 0

  push(direction: number, generation: number): void {
    if (this.length === this.#directions.length) this.#grow()
    this.#directions[this.length] = direction
    this.#generations[this.length++] = generation
  }

  direction(position: number): number {
    return this.#directions[position] as number
  }

  generation(position: number): number {
    return this.#generations[position] as number
  }

  /** Drops the first `count`. */
  shift(count: number): void {
    this.#directions.copyWithin(0, count, this.length)
    this.#generations.copyWithin(0, count, this.length)
    this.length -= count
  }

  #grow(): void {
    const directions = new Int32Array(2 * this.#directions.length)
    directions.set(this.#directions)
    this.#directions = directions
    const generations = new Int32Array(2 * this.#generations.length)
    generations.set(this.#generations)
    this.#generations = generations
  }
}
