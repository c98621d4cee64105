// SPDX-License-Identifier: Apache-2.0
// A site that speaks HTTP/2 where the client does (ALPN), and WebSockets over HTTP/1.1.
// Usage: node site.mjs CERTIFICATE KEY. It says one line: `port=PORT key=SHA256`, that of its public key in Base64.
//
//   /          a page that asks for 50 parts at once, says words to a WebSocket, and writes down what it found
//   /part/N    64 KiB of the number N; the header x-connection says over which connection it was asked for
//   /echo      a WebSocket that says every text back
//   /held      answered when somebody has asked for /done: so long the page is not whole
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'

const page = `<!doctype html><link rel=icon href=data:,><img src=/held><pre></pre><script>
const tell = line => document.querySelector('pre').append(line + '\\n')
const part = async number => {
  const answer = await fetch('/part/' + number)
  const isWhole = await answer.text() === String(number).repeat(65536).slice(0, 65536)
  return isWhole ? answer.headers.get('x-connection') : 'wrong'
}
const echo = words => new Promise((resolve, reject) => {
  const socket = new WebSocket('wss://' + location.host + '/echo')
  socket.onopen = () => socket.send(words)
  socket.onmessage = ({ data }) => { resolve(data); socket.close() }
  socket.onerror = () => reject('the WebSocket failed')
})
const look = async () => {
  const connections = await Promise.all([...Array(50).keys()].map(part))
  const entries = ['navigation', 'resource'].flatMap(type => performance.getEntriesByType(type))
  tell('parts=' + connections.length + ' connections=' + [...new Set(connections)])
  tell('protocols=' + [...new Set(entries.map(entry => entry.nextHopProtocol))])
  tell('echo=' + await echo('words'.repeat(20)))
}
look().catch(error => tell('failed: ' + error)).finally(() => fetch('/done'))
</script>`

const [certificate, key] = process.argv.slice(2).map(file => readFileSync(file))
const server = createSecureServer({ cert: certificate, key, allowHTTP1: true })
const held = []
let connections = 0

server.on('session', session => { session.number = ++connections })

server.on('request', (request, response) => {
  const number = request.url.match(/^\/part\/([0-9]+)$/)?.[1]
  if (request.url === '/held') return held.push(response)
  if (request.url === '/done') for (const one of held.splice(0)) one.end()
  response.setHeader('x-connection', request.stream?.session?.number ?? 'HTTP/1.1')
  response.setHeader('content-type', number ? 'text/plain' : 'text/html')
  response.end(number ? Buffer.alloc(65536, number) : page)
})

server.on('upgrade', (request, socket) => {
  const seal = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
  const accept = createHash('sha1').update(seal).digest('base64')
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`)
  let input = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', bytes => {
    input = Buffer.concat([input, bytes])
    // Frames of less than 126 bytes, masked: `flags and opcode 1B | 0x80 and length 1B | mask 4B | content`.
    while (input.length >= 6 && input.length >= 6 + (input[1] & 127)) {
      const length = input[1] & 127
      const content = input.subarray(6, 6 + length).map((byte, index) => byte ^ input[2 + index % 4])
      socket.write(Buffer.concat([Buffer.from([input[0], length]), content]))
      if ((input[0] & 15) === 8) socket.end()
      input = input.subarray(6 + length)
    }
  })
})

const publicKey = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
const hash = createHash('sha256').update(publicKey).digest('base64')
server.listen(0, '127.0.0.1', () => console.log(`port=${server.address().port} key=${hash}`))
