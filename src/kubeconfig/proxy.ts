import { BlockList, isIP } from 'node:net'

/**
 * Returns the proxy that the environment names for an https:// address, by the rules of Go, which kubectl follows:
 * HTTPS_PROXY alone counts, never for this machine itself, and NO_PROXY takes names, addresses, ranges and ports.
 *
 * Source: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
 */
export function proxyOfEnvironment(server: URL, env: NodeJS.ProcessEnv): string | undefined {
  const proxy = (env['HTTPS_PROXY'] || env['https_proxy']) ?? ''
  const host = server.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
  if (proxy === '' || isLoopback(host)) return undefined
  const exceptions = ((env['NO_PROXY'] || env['no_proxy']) ?? '')
    .split(',')
    .map((each) => each.trim().toLowerCase())
  if (exceptions.some((each) => isMeant(each, host, server.port || '443'))) return undefined
  return /^[a-z][a-z\d+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** Whether an exception, in lower case, is about this host. */
function isMeant(exception: string, host: string, port: string): boolean {
  if (exception === '' || exception === '*') return exception === '*'
  const [, range, prefix] = /^([\da-f.:]+)\/(\d+)$/.exec(exception) ?? []
  if (range !== undefined) return isWithin(host, range, Number(prefix))
  const [, name = '', onlyPort] =
    /^(?:\[?([^[\]]*?)\]?)(?::(\d+))?$/.exec(isIP(exception) === 6 ? `[${exception}]` : exception) ?? []
  if (onlyPort !== undefined && onlyPort !== port) return false
  if (isIP(name) !== 0 || isIP(host) !== 0) return isWithin(host, name, isIP(name) === 6 ? 128 : 32)
  const domain = name.replace(/^\*(?=\.)/, '')
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`)
}

function isWithin(host: string, range: string, prefix: number): boolean {
  const families = { 4: 'ipv4', 6: 'ipv6' } as const
  const [family, other] = [isIP(range), isIP(host)]
  if ((family !== 4 && family !== 6) || other !== family || prefix > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(range, prefix, families[family])
  return list.check(host, families[family])
}
