/** Makes an element. Attributes named `on…` are listeners, `true` is an attribute without a value, and `false` and undefined
 *  are none. Text only ever becomes text.
 *  @template {keyof HTMLElementTagNameMap} K
 *  @param {K} tag
 *  @param {Record<string, string | boolean | undefined | ((event: Event) => void)>} [attributes]
 *  @param {...(Node | string)} children
 *  @returns {HTMLElementTagNameMap[K]} */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value)
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children)
  return element
}

/** Makes an element of a picture.
 *  @param {string} tag
 *  @param {Record<string, string>} attributes
 *  @param {...Node} children */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

/** A name that is broken, where it must be, after `/` and `:`.
 *  @param {string} name */
export function breakable(name) {
  return name.split(/(?<=[/:])/).flatMap((part, n) => (n === 0 ? [part] : [document.createElement('wbr'), part]))
}

/** The element of the page with this id.
 *  @param {string} id */
export function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id))
}

/** Says a text in an element, touching it only where that changes something.
 *  @param {Element} element
 *  @param {string} text
 *  @param {string} [className] */
export function say(element, text, className) {
  if (element.textContent !== text) element.textContent = text
  if (className !== undefined && element.className !== className) element.className = className
}

/** A part of the page that shows one thing and is told when it changed.
 *  @template T
 *  @typedef {{ readonly node: Element, update(item: T): void }} Part */

/** Parts of one parent, one a thing. A part stays the same element for as long as its thing is shown, so that focus and
 *  selection stay where they are.
 *  @template T */
export class Parts {
  /** @type {Map<string, Part<T>>} */
  #known = new Map()
  #parent
  #make

  /** @param {Element} parent
   *  @param {(item: T) => Part<T>} make */
  constructor(parent, make) {
    this.#parent = parent
    this.#make = make
  }

  /** Shows these, in this order.
   *  @param {readonly T[]} items
   *  @param {(item: T) => string} keyOf */
  show(items, keyOf) {
    const before = this.#known
    this.#known = new Map()
    for (const item of items) {
      const key = keyOf(item)
      const part = before.get(key) ?? this.#make(item)
      before.delete(key)
      part.update(item)
      this.#known.set(key, part)
    }
    for (const { node } of before.values()) node.remove()
    let here = this.#parent.firstElementChild
    for (const { node } of this.#known.values()) {
      if (node === here) here = here.nextElementSibling
      else this.#parent.insertBefore(node, here)
    }
  }
}
