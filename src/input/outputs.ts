/** One output of the action. */
export interface Output {
  readonly name: string
  readonly description: string
  /** What a text has to look like as a whole: a script of somebody else's puts it into a command. */
  readonly grammar: RegExp
}

const kubernetesName = /^(?:[a-z0-9][-.a-z0-9]*)?$/
/** Any text on one line in which no sign is hidden and none changes how others are shown. */
const visible = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]*$/u

/** The one table of outputs. None of them ever holds a credential. */
export const outputs = [
  {
    name: 'changed',
    description: '`true` if this run changed anything, or may have, else `false`.',
    grammar: /^(?:true|false)$/,
  },
  {
    name: 'changes',
    description:
      'JSON list of what was changed (under `dry-run`: what would be): `[{"object", "name", "action"}]`.',
    grammar: visible,
  },
  { name: 'secret-name', description: 'Name of the application Secret.', grammar: kubernetesName },
  {
    name: 'secret-namespace',
    description: 'Namespace of the application Secret.',
    grammar: kubernetesName,
  },
  {
    name: 'secret-resource-version',
    description: 'Resource version of the application Secret. It changes only when the Secret changes.',
    // Opaque, but compared as a number from Kubernetes 1.35 on, and never anything else before.
    grammar: /^\d{0,64}$/,
  },
  { name: 'database', description: 'Name of the database.', grammar: visible },
  {
    name: 'server-version',
    description: 'Version of PostgreSQL, such as `16.6`.',
    grammar: /^(?:\d+(?:\.\d+)*[a-z\d._+-]{0,40})?$/,
  },
  {
    name: 'go-live-verdict',
    description:
      '`met`, `held-back` or `off`. Under `warn`, the verdict that `enforce` would give. Empty if the run ended before the gate.',
    grammar: /^(?:met|held-back|off)?$/,
  },
  {
    name: 'report-directory',
    description:
      'Folder with the go-live report: `go-live.html`, `go-live.json`, `go-live.xml` (JUnit), and files to commit (`attest.yaml`) or to send to the administrator (`rights.yaml`). Empty without a gate.',
    grammar: visible,
  },
] as const satisfies readonly Output[]

/** The name of an output. */
export type OutputName = (typeof outputs)[number]['name']
