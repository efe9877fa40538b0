// node paint.mjs CONTENT STYLE OUTPUT [--size N] [--iterations N] [--settings JSON]
//     [--bundle FOLDER] [--json]
// Paints CONTENT like STYLE, coarse to fine, and writes a PNG. sharp only decodes and encodes.

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import ort from 'onnxruntime-node'
import sharp from 'sharp'
import { Bundle } from '../browser/bundle.mjs'
import { paint, settingsOf } from '../browser/painter.mjs'
import { fromBytes, toBytes } from '../browser/pictures.mjs'

const here = path.dirname(new URL(import.meta.url).pathname)
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '256' },
    iterations: { type: 'string' },
    settings: { type: 'string', default: '{}' }, // others, by name
    bundle: { type: 'string', default: path.join(here, '../../../models/vgg19') },
    json: { type: 'boolean', default: false }, // one line for every iteration
  },
})
if (positionals.length !== 3) throw new Error('give CONTENT, STYLE and OUTPUT')
const [contentFile, styleFile, output] = positionals

async function decoded(file) {
  const upright = sharp(file).rotate().flatten({ background: '#fff' }).toColourspace('srgb').removeAlpha()
  const { data, info } = await upright.raw().toBuffer({ resolveWithObject: true })
  return fromBytes(data, info.height, info.width, info.channels)
}

const bundle = await Bundle.open(ort, (name) => readFile(path.join(values.bundle, name)), ['cpu'])
const settings = settingsOf(bundle.manifest, {
  size: Number(values.size),
  ...JSON.parse(values.settings),
  ...(values.iterations && { iterations: Number(values.iterations) }),
})
let last
for await (const step of paint(bundle, await decoded(contentFile), await decoded(styleFile), settings)) {
  const { scale, scales, iteration, iterations, loss, size } = step
  if (values.json) console.log(JSON.stringify({ scale, iteration, loss, size }))
  else process.stderr.write(`\rscale ${scale + 1} of ${scales}, ${iteration} of ${iterations}: ${loss.toPrecision(6)}  `)
  last = step
}
const image = last.image()
const raw = { width: image.width, height: image.height, channels: 4 }
await sharp(toBytes(image), { raw }).removeAlpha().png().toFile(output)
if (!values.json) process.stderr.write(`\n${output}\n`)
