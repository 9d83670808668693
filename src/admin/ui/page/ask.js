import { byId, h, say } from './dom.js'

/** What the server said no with, or that it said nothing. */
export class Refused extends Error {}

/** Asks the server, and gives what it answered.
 *  @param {string} path
 *  @param {string} [method]
 *  @returns {Promise<any>} */
export async function ask(path, method = 'GET') {
  const answer = await fetch(path, { method, signal: AbortSignal.timeout(10_000) }).catch(() => undefined)
  if (!answer) throw new Refused('portald does not answer')
  const json = await answer.json().catch(() => undefined)
  if (!answer.ok) throw new Refused(json?.message ?? `the answer was ${answer.status}`)
  return json
}

/** A path with a query of what is given.
 *  @param {string} path
 *  @param {Record<string, string | undefined>} query */
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(/** @type {[string, string][]} */ (given)).toString()
  return text ? `${path}?${text}` : path
}

/** Something that a button does, once it was confirmed.
 *  @typedef {object} Action
 *  @property {string} title What is asked.
 *  @property {string} text What it means.
 *  @property {string} button
 *  @property {string} method
 *  @property {string} path
 *  @property {(answer: { readonly killed: number }) => string} done What to say then; only what ends sessions is told how many. */

/** Asks whether to do something, does it, and says what came of it; a refusal is shown where it was asked.
 *  @param {Action} action
 *  @returns {Promise<void>} Resolves when the question is gone. */
export function confirmThen({ title, text, button, method, path, done }) {
  const wrong = h('p', { class: 'wrong', role: 'alert' })
  const go = h('button', { type: 'button', class: 'danger', 'data-go': true, onclick: () => void act() }, button)
  const leave = h('button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, 'Cancel')
  const heading = h('h2', { id: 'question' }, title)
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'question' },
    heading,
    h('p', {}, text),
    wrong,
    h('div', { class: 'bar' }, leave, go),
  )

  async function act() {
    go.disabled = true
    try {
      announce(done(await ask(path, method)))
      dialog.close()
    } catch (error) {
      say(wrong, `Refused: ${error instanceof Error ? error.message : error}`)
      go.disabled = false
    }
  }

  document.body.append(dialog)
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve()
    })
  })
}

/** Says something at the foot of the page for a while.
 *  @param {string} text */
export function announce(text) {
  const said = byId('said')
  say(said, text)
  setTimeout(() => said.textContent === text && say(said, ''), 6_000)
}
