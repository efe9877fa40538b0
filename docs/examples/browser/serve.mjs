// node serve.mjs [--port N] [--bundle FOLDER] [--ort FOLDER] [--not-isolated]
// The page on this machine: the folder as it is, the bundle at bundle/, onnxruntime-web at ort/.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import path from 'node:path'
import { parseArgs } from 'node:util'

const here = path.dirname(new URL(import.meta.url).pathname)
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8710' }, // 0: any
    bundle: { type: 'string', default: path.join(here, '../../../models/vgg19') },
    ort: { type: 'string', default: path.join(here, '../node_modules/onnxruntime-web/dist') },
    'not-isolated': { type: 'boolean', default: false }, // so without threads
  },
})
const TYPES = { html: 'text/html', css: 'text/css', mjs: 'text/javascript', json: 'application/json', wasm: 'application/wasm' }
const isolated = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

const server = createServer(async (request, answer) => {
  const wanted = new URL(request.url, 'http://localhost').pathname.slice(1) || 'index.html'
  const [, folder, name] = /^(?:(bundle|ort)\/)?([\w.-]+)$/.exec(wanted) ?? []
  const file = name && path.join({ bundle: values.bundle, ort: values.ort }[folder] ?? here, name)
  const found = file && request.method === 'GET' && (await stat(file).catch(() => null))
  if (!found?.isFile()) return answer.writeHead(404).end()
  answer.writeHead(200, {
    'Content-Type': TYPES[name.split('.').at(-1)] ?? 'application/octet-stream',
    'Content-Length': found.size,
    'X-Content-Type-Options': 'nosniff',
    ...(values['not-isolated'] ? {} : isolated),
  })
  createReadStream(file).pipe(answer)
})
server.listen(Number(values.port), '127.0.0.1', () => console.log(`http://localhost:${server.address().port}/`))
