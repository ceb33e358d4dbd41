import { expect, test } from '@jest/globals'
import { proxyOfEnvironment } from '../../../src/kubeconfig/proxy.ts'

const HTTPS_PROXY = 'http://proxy:3128'

// As golang.org/x/net/http/httpproxy has them.
test.each([
  ['https://api.example.com:6443', '', true],
  ['https://api.example.com:6443', 'api.example.com', false],
  ['https://API.Example.com:6443', 'api.example.COM', false],
  ['https://api.example.com:6443', 'example.com', false],
  ['https://api.example.com:6443', '.example.com', false],
  ['https://api.example.com:6443', '*.example.com', false],
  ['https://example.com', '.example.com', true],
  ['https://example.com', 'example.com', false],
  ['https://badexample.com', 'example.com', true],
  ['https://api.example.com:6443', 'other, ,api.example.com ', false],
  ['https://api.example.com:6443', 'api.example.com:6443', false],
  ['https://api.example.com:6443', 'api.example.com:443', true],
  ['https://api.example.com', 'api.example.com:443', false],
  ['https://api.example.com', '*', false],
  ['https://10.1.2.3:6443', '10.1.2.3', false],
  ['https://10.1.2.3:6443', '10.1.2.3:6443', false],
  ['https://10.1.2.3:6443', '10.1.2.3:443', true],
  ['https://10.1.2.3:6443', '10.0.0.0/8', false],
  ['https://11.1.2.3:6443', '10.0.0.0/8', true],
  ['https://11.1.2.3:6443', '10.0.0.0/99', true],
  ['https://10.1.2.3:6443', '2.3', true],
  ['https://[fd00::1]:6443', 'fd00::/8', false],
  ['https://[fd00::1]:6443', 'fd00::1', false],
  ['https://[fd00::1]:6443', '[fd00::1]:6443', false],
  ['https://[fd00::1]:6443', '10.0.0.0/8', true],
  ['https://localhost:6443', '', false],
  ['https://127.8.8.8:6443', '', false],
  ['https://[::1]:6443', '', false],
])('%s without a proxy for "%s": %p', (server, NO_PROXY, proxied) => {
  const proxy = proxyOfEnvironment(new URL(server), { HTTPS_PROXY, NO_PROXY })
  expect(proxy).toBe(proxied ? HTTPS_PROXY : undefined)
})

test.each([
  [{ HTTPS_PROXY: 'proxy:3128' }, HTTPS_PROXY],
  [{ https_proxy: HTTPS_PROXY }, HTTPS_PROXY],
  [{ HTTPS_PROXY, https_proxy: 'http://other' }, HTTPS_PROXY],
  [{ HTTPS_PROXY: '', https_proxy: HTTPS_PROXY }, HTTPS_PROXY],
  [{ HTTPS_PROXY: 'socks5://proxy:1080' }, 'socks5://proxy:1080'],
  [{ HTTP_PROXY: HTTPS_PROXY, ALL_PROXY: HTTPS_PROXY, all_proxy: HTTPS_PROXY }, undefined],
  [{}, undefined],
])('%j names %s', (env, proxy) => {
  expect(proxyOfEnvironment(new URL('https://api.example.com'), env)).toBe(proxy)
})
