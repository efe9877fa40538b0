// node verify.mjs [--bundle FOLDER] [--wasm] [--only TEXT] [--json]
// Runs the bundle's conformance file in onnxruntime-node, or in onnxruntime-web's WebAssembly.

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Bundle } from '../browser/bundle.mjs'
import { verify } from '../browser/conformance.mjs'

const here = path.dirname(new URL(import.meta.url).pathname)
const { values } = parseArgs({
  options: {
    bundle: { type: 'string', default: path.join(here, '../../../models/vgg19') },
    wasm: { type: 'boolean', default: false },
    only: { type: 'string', default: '' }, // of the cases, as in 'gatys, avg'
    json: { type: 'boolean', default: false },
  },
})
const ort = values.wasm ? await import('onnxruntime-web') : (await import('onnxruntime-node')).default
if (values.wasm) ort.env.wasm.numThreads = 2
const read = (name) => readFile(path.join(values.bundle, name))
const bundle = await Bundle.open(ort, read, [values.wasm ? 'wasm' : 'cpu'])
const file = JSON.parse(new TextDecoder().decode(await read('conformance.json')))
const wanted = (one) => `${one.objective}, ${one.pooling}, ${one.size[1]} x ${one.size[0]}`.startsWith(values.only)
const worst = {}
let wrong = 0
for await (const figure of verify(bundle, file, { wanted })) {
  if (!figure.passes) wrong++
  if (values.json || !figure.passes) console.log(JSON.stringify(figure))
  if (!(figure.error <= worst[figure.kind]?.error)) worst[figure.kind] = figure
}
if (!values.json)
  for (const { kind, error, tolerance, what } of Object.values(worst))
    console.log(`${kind}: ${error.toExponential(1)}, at most ${tolerance} (${what})`)
process.exit(wrong ? 1 : 0)
