import type { CompletedCommand, CompletedOption, Shell } from './completed-commands.ts'

/** The script with which a shell completes command lines of portald's. */
export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  return SCRIPTS[shell](commands)
}

const SCRIPTS: { readonly [Name in Shell]: (commands: readonly CompletedCommand[]) => string } = { bash, zsh, fish }

function bash(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name)
  const values = commands.flatMap(({ name, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map((option) => {
        const what = option.choices.length > 0 ? `-W ${quote(option.choices.join(' '))}` : option.isPath ? '-f' : "-W ''"
        return `    ${quote(`${name} ${option.flag}`)}) COMPREPLY=($(compgen ${what} -- "$cur")); return ;;`
      }),
  )
  const flags = commands.map(({ name, options }) => `      ${name}) words=${quote(options.map(({ flag }) => flag).join(' '))} ;;`)
  return `# portald completion for bash
_portald() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command=run word words=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in ${names.join('|')}) command=$word; break ;; esac
  done
  case "$command $prev" in
${values.join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case $command in
${flags.join('\n')}
    esac
    COMPREPLY=($(compgen -W "$words --help" -- "$cur"))
  elif (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W ${quote(names.join(' '))} -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -o filenames -F _portald portald
`
}

function zsh(commands: readonly CompletedCommand[]): string {
  const described = commands.map(({ name, about }) => `    ${quote(`${name}:${about}`)}`)
  const cases = commands.map(({ name, options }) => {
    const lines = options.map(
      (option) => `      ${quote(`*${option.flag}[${option.about.replace(/[[\]:]/g, '\\$&')}]${zshValue(option)}`)}`,
    )
    return `    ${name}) _arguments -s ${lines.length > 0 ? `\\\n${lines.join(' \\\n')} \\\n      ` : ''}'*:file:_files' ;;`
  })
  return `#compdef portald
_portald() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe command commands
    return
  fi
  local command=run
  [[ $words[2] != -* ]] && command=$words[2]
  case $command in
${cases.join('\n')}
  esac
}
_portald "$@"
`
}

function zshValue({ takesValue, choices, isPath }: CompletedOption): string {
  if (!takesValue) return ''
  return choices.length > 0 ? `:value:(${choices.join(' ')})` : isPath ? ':file:_files' : ':value:'
}

function fish(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(' ')
  const lines = commands.flatMap(({ name, about, options }) => [
    `complete -c portald -n '__fish_use_subcommand' -a ${name} -d ${quote(about)}`,
    ...options.map((option) => {
      const values =
        option.choices.length > 0
          ? ` -xa ${quote(option.choices.join(' '))}`
          : option.isPath
            ? ' -rF'
            : option.takesValue
              ? ' -x'
              : ''
      return `complete -c portald -n '__fish_seen_subcommand_from ${name}' -l ${option.flag.slice(2)} -d ${quote(option.about)}${values}`
    }),
  ])
  return ['# portald completion for fish', `# commands: ${names}`, ...lines, ''].join('\n')
}

/** As one word of a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
