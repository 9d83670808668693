import { ANNOTATIONS } from '../../src/model/annotations.ts'
import { configOption, flagOf, isList, OPTION_KEYS, variableOf } from '../../src/model/config-table.ts'
import { KUBE_PROXY_SETTINGS } from '../../src/model/kube-proxy-table.ts'

const code = (text: string) => (text === '' ? '' : `\`${text}\``)

/** One row of a Markdown table; an empty cell is `| |`. */
export function docRow(cells: readonly string[]): string {
  return `|${cells.map((cell) => (cell === '' ? ' |' : ` ${cell} |`)).join('')}`
}

/** The rows of `docs/configuration.md`. */
export function optionRows(): string[] {
  return OPTION_KEYS.map((key) => {
    const { argument, default: fallback, kind, choices, commands, help } = configOption(key)
    const more = [choices ? choices.map(code).join(', ') : '', isList(kind) ? 'list' : ''].filter((text) => text !== '')
    return docRow([
      code(`--${flagOf(key)}${argument ? ` ${argument}` : ''}`),
      code(variableOf(key)),
      key === 'config' ? '' : code(key),
      code(fallback),
      commands.join(', '),
      `${help}${more.length > 0 ? ` (${more.join('; ')})` : ''}`,
    ])
  })
}

/** The rows of `docs/annotations.md`. */
export function annotationRows(): string[] {
  return ANNOTATIONS.map(({ name, fallback, right, about }) => {
    return docRow([code(name), code(fallback), right.replace(/^must be /, ''), about])
  })
}

/** The rows of `docs/kube-proxy.md`: fields first, then what is a flag only. */
export function kubeProxyRows(): string[] {
  const rows = KUBE_PROXY_SETTINGS.map(({ field, flag, default: fallback, fate, about }) => {
    const flagShown = flag.length === 1 ? `-${flag}` : flag && `--${flag}`
    return { field, row: docRow([code(field), code(flagShown), code(fallback), fate === 'used' ? about : `${fate}: ${about}`]) }
  })
  return [...rows.filter(({ field }) => field !== ''), ...rows.filter(({ field }) => field === '')].map(({ row }) => row)
}
