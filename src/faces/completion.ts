import type { Command, Option } from 'commander'
import { briefOf } from './option-help.ts'

/** The shells that can complete a command line of this tool. */
export const shells = ['bash', 'zsh'] as const

/** One of them. */
export type Shell = (typeof shells)[number]

/** What the value of an option may be: one of these, a path, or what no shell can know. */
type Values = readonly string[] | 'path' | 'unknown' | 'none'

function valuesOf(option: Option): Values {
  if (option.argChoices !== undefined) return option.argChoices
  if (!option.required) return 'none'
  return /<(path|file)>/.test(option.flags) ? 'path' : 'unknown'
}

/** Returns the text by which a shell completes commands, options and values: they stand in it, and nothing is run for them. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return shell === 'bash' ? forBash(commands) : forZsh(commands)
}

const flagsOf = ({ short, long }: Option): readonly string[] =>
  [short, long].filter((flag) => flag !== undefined)

/** For bash 3.2 too, which macOS has: it knows no compopt and no associative arrays. */
function forBash(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const choices = command.options.flatMap((option) => {
      const values = valuesOf(option)
      const flags = flagsOf(option).join('|')
      if (values === 'none') return []
      if (values === 'path') return [`        ${flags}) return ;;`]
      if (values === 'unknown') return [`        ${flags}) compopt +o default 2>/dev/null; return ;;`]
      return [`        ${flags}) words='${values.join(' ')}' ;;`]
    })
    const [argument] = command.registeredArguments
    const words = [
      ...command.options.flatMap(flagsOf),
      '-h',
      '--help',
      '--all',
      ...(argument?.argChoices ?? []),
    ]
    return `    ${command.name()})
      words='${words.join(' ')}'
      case $previous in
${choices.join('\n')}
      esac ;;`
  })
  const names = commands.map((command) => command.name()).join(' ')
  return `# Completes pg-app-user in bash: source <(pg-app-user completion bash)
_pg_app_user() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words='' at
  COMPREPLY=()
  # bash takes --output=json for three words.
  if [ "$current" = = ]; then current=''
  elif [ "$previous" = = ]; then previous=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  # What exec runs is completed as files are.
  for ((at = 1; at < COMP_CWORD; at++)); do
    if [ "\${COMP_WORDS[at]}" = -- ]; then return; fi
  done
  if [ "$COMP_CWORD" -eq 1 ]; then words='${names} help -h --help -V --version'
  else case \${COMP_WORDS[1]} in
    help) words='${names}' ;;
${cases.join('\n')}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _pg_app_user pg-app-user
`
}

function forZsh(commands: readonly Command[]): string {
  const named = commands.map((command) => quoted(`${escaped(command.name())}:${command.summary()}`))
  const cases = commands.map((command) => {
    const options = command.options.flatMap((option) =>
      flagsOf(option).map((flag) =>
        quoted(`${repeat(option)}${flag}[${escaped(briefOf(option))}]${valueFor(option)}`),
      ),
    )
    const [argument] = command.registeredArguments
    const rest = argument?.argChoices ? `1:shell:(${argument.argChoices.join(' ')})` : '*::command:_normal'
    const last = command.name() === 'exec' || argument !== undefined ? [quoted(rest)] : []
    const words = [
      ...options,
      quoted('(-h --help)'.concat('--help[show the help]')),
      quoted('--all[with --help: every option]'),
      ...last,
    ]
    return `    ${command.name()})
      _arguments \\
        ${words.join(' \\\n        ')} ;;`
  })
  return `#compdef pg-app-user
# Completes pg-app-user in zsh: source <(pg-app-user completion zsh), after compinit
_pg_app_user() {
  if (( CURRENT == 2 )); then
    local -a commands=(
      ${named.join('\n      ')}
    )
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${cases.join('\n')}
  esac
}
compdef _pg_app_user pg-app-user
`
}

/** Lists may be given again. */
function repeat(option: Option): string {
  return option.parseArg === undefined || option.argChoices !== undefined ? '' : '*'
}

function valueFor(option: Option): string {
  const values = valuesOf(option)
  if (values === 'none') return ''
  if (values === 'path') return ':path:_files'
  return values === 'unknown' ? ':value: ' : `:value:(${values.join(' ')})`
}

/** What brackets and colons mean to _arguments, they do not mean in a sentence. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, String.raw`\$&`)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
