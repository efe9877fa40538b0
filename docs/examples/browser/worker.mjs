// The painter in a worker. Beside this file are ort/, of onnxruntime-web, and bundle/: see README.md.

import { Bundle } from './bundle.mjs'
import { verify } from './conformance.mjs'
import { paint, settingsOf } from './painter.mjs'
import { fromBytes, toBytes } from './pictures.mjs'

const at = (path) => new URL(path, import.meta.url).href

async function read(name) {
  const answer = await fetch(at(`bundle/${name}`))
  if (!answer.ok) throw new Error(`${name} cannot be loaded: ${answer.status}`)
  return new Uint8Array(await answer.arrayBuffer())
}

async function opened(gpu) {
  const ort = await import(at(gpu ? 'ort/ort.webgpu.min.mjs' : 'ort/ort.wasm.min.mjs'))
  ort.env.wasm.wasmPaths = at('ort/')
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency) : 1
  const bundle = await Bundle.open(ort, read, [gpu ? 'webgpu' : 'wasm'])
  return { bundle, threads: ort.env.wasm.numThreads }
}

async function painted({ content, style, settings, gpu }) {
  const { bundle, threads } = await opened(gpu)
  const given = ({ bytes, width, height }) => fromBytes(bytes, height, width, 4)
  const chosen = settingsOf(bundle.manifest, settings)
  for await (const { image, ...told } of paint(bundle, given(content), given(style), chosen)) {
    const picture = image(), { width, height } = picture
    const bytes = toBytes(picture)
    self.postMessage({ step: { ...told, width, height, bytes }, threads }, [bytes.buffer])
  }
  self.postMessage({ done: true })
}

/** Of the conformance file the cases whose name begins so; its worst figures. */
async function verified({ only, gpu }) {
  const { bundle, threads } = await opened(gpu)
  const file = JSON.parse(new TextDecoder().decode(await read('conformance.json')))
  const wanted = (one) => `${one.objective}, ${one.pooling}, ${one.size[1]} x ${one.size[0]}`.startsWith(only)
  const figures = []
  for await (const figure of verify(bundle, file, { wanted })) figures.push(figure)
  self.postMessage({ figures, threads })
}

self.onmessage = ({ data }) =>
  (data.verify ? verified(data.verify) : painted(data)).catch((error) => self.postMessage({ error: error.message }))
