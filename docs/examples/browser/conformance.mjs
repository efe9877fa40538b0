// Whether a runtime computes what a bundle's conformance file says: docs/bundle.md has the formulas.

import { one, vector } from './bundle.mjs'
import { LBFGS, descend, describe, tensor } from './painter.mjs'

const STREAMS = 256, IMAGE = 0, CONTENT = 1, STYLE = 2, GOLDEN = 0x9e3779b9, BUCKETS = 64
const MANY = 2 ** 40 // pixels: any run that is so long takes Winograd's graphs

export function mixed(x) {
  x ^= x >>> 16
  x = Math.imul(x, 0x7feb352d)
  x ^= x >>> 15
  x = Math.imul(x, 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

export function noise(count, stream) {
  const start = Math.imul(stream, GOLDEN)
  return Float32Array.from({ length: count }, (_, i) => (mixed((i + start) | 0) >>> 8) / 2 ** 24)
}

/** An array's values in 64 sums, each with a sign; an array of no more values as it is. */
export function sketch(values) {
  if (values.length <= BUCKETS) return [...values]
  const sums = new Array(BUCKETS).fill(0)
  values.forEach((value, i) => {
    const bits = mixed(i)
    sums[bits % BUCKETS] += bits >>> 31 ? -value : value
  })
  return sums
}

function picture({ channels, low, high }, [height, width], stream) {
  const data = noise(channels * height * width, stream).map((v) => low + v * (high - low))
  return { data, channels, height, width }
}

/**
 * Yields { kind, what, error, tolerance, passes } for every figure of the file.
 * @param wanted (case) => Boolean, which of its cases
 */
export async function* verify(bundle, file, { wanted = () => true, run = true } = {}) {
  const told = function* (kind, what, expected, found, allowed = file.tolerance) {
    for (const [key, value] of Object.entries(expected)) {
      const own = key === 'gradient' ? key : kind, tolerance = allowed[own]
      const error = difference(found[key], value)
      yield { kind: own, what: `${what}: ${key}`, error, tolerance, passes: error <= tolerance }
    }
  }
  const ways = bundle.onCpu ? [['plain', 0], ['winograd', MANY]] : [['plain', 0]]
  for (const one of file.cases.filter((one) => wanted(one) && isPlain(bundle, one)))
    for (const [way, pixels] of ways)
      for (const tiled of one.window ? [false, true] : [false]) {
        const name = [one.objective, one.pooling, `${one.size[1]} x ${one.size[0]}`, way, ...(tiled ? ['tiles'] : [])]
        const terms = Object.fromEntries(one.terms.map((v, k) => [`term ${k}`, v]))
        const expected = { ...one.targets, loss: one.loss, ...terms, gradient: one.gradient }
        const found = await computed(bundle, one, pixels, tiled)
        yield* told('loss', name.join(', '), expected, found, one.tolerance ?? file.tolerance)
      }
  for (const { pairs, ...expected } of file.lbfgs.calls)
    yield* told('optimizer', `lbfgs, ${pairs} pairs`, expected, await lbfgs(bundle, file.lbfgs, pairs))
  const images = Object.fromEntries(file.adam.images.map((v, k) => [`image ${k + 1}`, v]))
  const { mean, square } = file.adam
  yield* told('optimizer', 'adam', { ...images, mean, square }, await adam(bundle, file.adam))
  if (!run || !file.run) return
  for (const [way, pixels] of ways) {
    const losses = Object.fromEntries(file.run.losses.map((v, k) => [`loss ${k}`, v]))
    yield* told('run', `run, ${way}`, losses, await firstLosses(bundle, file.run, pixels))
  }
}

function difference(found, expected) {
  const ours = found?.data ? sketch(found.data) : [found].flat(), theirs = [expected].flat()
  if (ours.length !== theirs.length) return Infinity
  const norm = Math.hypot(...theirs)
  return Math.hypot(...ours.map((v, i) => v - theirs[i])) / (norm || 1)
}

/** Whether this painter knows all that the terms of a case take: it has no maps and no factors. */
const isPlain = ({ manifest }, one) => manifest.objectives[one.objective].terms.every(
  (term) => term.inputs.every(({ source }) => ['content', 'style'].includes(source)))

/** Targets, loss, terms and gradient of a case, whole or in tiles. */
async function computed(bundle, one, pixels, tiled) {
  const { manifest } = bundle, { canvas } = manifest, first = one.seed * STREAMS
  const [image, content, style] = [IMAGE, CONTENT, STYLE].map((k) => picture(canvas, one.size, first + k))
  const entry = manifest.objectives[one.objective]
  const targets = await describe(bundle, one, content, style)
  const evaluate = tiled ? inTiles : whole
  const { loss, terms, gradient } = await evaluate(bundle, one, image, targets, pixels)
  const named = Object.fromEntries([...terms.data].map((v, k) => [`term ${k}`, v]))
  return { ...targets, loss: loss.data[0], ...named, gradient }
}

async function whole(bundle, one, image, targets, pixels) {
  const { step } = bundle.manifest.objectives[one.objective].poolings[one.pooling]
  const run = await bundle.graph(step, one.size, { pixels })
  const found = await run({ image: tensor(image), weights: vector(one.weights), ...targets })
  await run.close()
  return found
}

/** Two passes over the tiles: their statistics, and what the loss gives back through these. */
async function inTiles(bundle, one, image, targets, pixels) {
  const { manifest } = bundle, entry = manifest.objectives[one.objective]
  const { statistics, pullback } = entry.poolings[one.pooling]
  const tiles = cut(one.size, one.window, entry.margin, manifest.encoder.alignment)
  const content = entry.terms.flatMap((term) => term.inputs.filter((i) => i.source === 'content').map((i) => [i, term]))
  const feeds = ({ window, own }) => ({
    image: crop(tensor(image), window, [1, 1]),
    mask: mask(window, own),
    ...Object.fromEntries(content.map(([i, term]) => [i.name, crop(targets[i.name], window, stride(manifest, term))])),
  })
  let run = await bundle.graph(statistics, one.window, { pixels }), total
  for (const tile of tiles) {
    const { sums } = await run(feeds(tile))
    total = total ? total.map((v, i) => v + sums.data[i]) : Float64Array.from(sums.data)
  }
  await run.close()
  const styles = entry.terms.flatMap((term) => term.inputs.filter((i) => i.source === 'style').map((i) => i.name))
  run = await bundle.graph(entry.loss, one.window)
  const { loss, terms, cotangents } = await run({
    sums: vector(total), pixels: vector([one.size[0] * one.size[1]]), weights: vector(one.weights),
    ...Object.fromEntries(styles.map((name) => [name, targets[name]])),
  })
  await run.close()
  run = await bundle.graph(pullback, one.window, { pixels })
  const gradient = { data: new Float32Array(image.data.length), dims: [1, image.channels, ...one.size] }
  for (const tile of tiles) add(gradient, (await run({ ...feeds(tile), cotangents })).gradient, tile.window)
  await run.close()
  return { loss, terms, gradient }
}

const stride = (manifest, { layer }) => (layer === 'image' ? [1, 1] : manifest.encoder.layers[layer].stride)

/** Windows and what of each is its own: [first, end] of rows and columns. */
function cut([height, width], shape, margin, unit) {
  const [rows, columns] = [height, width].map((length, k) => spans(length, shape[k], margin[k], unit[k]))
  return rows.flatMap((a) => columns.map((b) => ({ window: [a.window, b.window], own: [a.own, b.own] })))
}

function spans(length, size, margin, unit) {
  if (size >= length) return [{ window: [0, length], own: [0, length] }]
  const count = Math.ceil((length - 2 * margin) / (size - 2 * margin)), last = length - size
  const starts = Array.from({ length: count }, (_, k) => Math.floor(Math.floor((k * last) / (count - 1)) / unit) * unit)
  const borders = [0, ...starts.slice(1).map((s) => s + margin), length]
  return starts.map((s, k) => ({ window: [s, s + size], own: [borders[k], borders[k + 1]] }))
}

function crop({ data, dims }, [rows, columns], [down, across]) {
  const [top, bottom, left, right] = [rows[0] / down, rows[1] / down, columns[0] / across, columns[1] / across]
  const [, channels, height, width] = dims, part = new Float32Array(channels * (bottom - top) * (right - left))
  let i = 0
  for (let c = 0; c < channels; c++)
    for (let y = top; y < bottom; y++)
      for (let x = left; x < right; x++) part[i++] = data[(c * height + y) * width + x]
  return { data: part, dims: [1, channels, bottom - top, right - left] }
}

function mask(window, own) {
  const [height, width] = window.map(([first, end]) => end - first), data = new Float32Array(height * width)
  for (let y = own[0][0]; y < own[0][1]; y++)
    for (let x = own[1][0]; x < own[1][1]; x++) data[(y - window[0][0]) * width + x - window[1][0]] = 1
  return { data, dims: [1, 1, height, width] }
}

function add({ data, dims }, part, [rows, columns]) {
  let i = 0
  for (let c = 0; c < dims[1]; c++)
    for (let y = rows[0]; y < rows[1]; y++)
      for (let x = columns[0]; x < columns[1]; x++) data[(c * dims[2] + y) * dims[3] + x] += part.data[i++]
}

async function lbfgs(bundle, expected, count) {
  const { canvas } = bundle.manifest, [height, width] = expected.size
  const first = expected.seed * STREAMS, length = canvas.channels * height * width
  const extent = canvas.high - canvas.low, made = (data) => ({ data, channels: canvas.channels, height, width })
  const pair = (number) => {
    const factor = noise(length, first + 3 + 2 * number)
    const s = noise(length, first + 2 + 2 * number).map((v) => 0.1 * extent * (v - 0.5))
    return [s, s.map((v, i) => v * (1 + factor[i]))]
  }
  const image = noise(length, first).map((v) => canvas.low + extent * Math.min(1, Math.max(0, 1.2 * v - 0.1)))
  const gradient = noise(length, first + 1).map((v) => v - 0.5)
  const point = { picture: made(image), gradient: tensor(made(gradient)) }
  const memory = { pairs: [], gamma: one(count ? 0.5 : 0), previous: point }
  if (count) {
    const [s, y] = pair(0)
    memory.previous = {
      picture: made(image.map((v, i) => v - s[i])), gradient: tensor(made(gradient.map((v, i) => v - y[i]))),
    }
  }
  for (let k = 1; k <= count; k++) {
    const [s, y] = pair(k)
    const curvature = s.reduce((sum, v, i) => sum + v * y[i], 0)
    memory.pairs.push({ s: tensor(made(s)), y: tensor(made(y)), rho: one(1 / curvature) })
  }
  const settings = { preconditioner_pyramid: expected.preconditioner, preconditioner_channels: expected.channels }
  const optimizer = await LBFGS.open(bundle, expected.size, settings)
  const found = await optimizer.propose(memory, point, 1)
  await optimizer.close()
  const step = found.next_image.data.map((v, i) => v - image[i])
  return { step: { data: step }, rho: found.rho, gamma: found.next_gamma, slope: found.slope }
}

async function adam(bundle, { size, seed, rate, images }) {
  const { canvas, optimizers } = bundle.manifest, run = await bundle.graph(optimizers.adam, size)
  const start = tensor(picture(canvas, size, seed * STREAMS)), zeros = { ...start, data: new Float32Array(start.data.length) }
  let state = { image: start, count: one(0), mean: zeros, square: zeros }
  const found = {}, fixed = { rate: one(rate) }
  if (bundle.manifest.signatures[optimizers.adam].inputs.betas) {
    fixed.betas = vector([0.9, 0.999])
  }
  for (let k = 1; k <= images.length; k++) {
    const gradient = { ...start, data: noise(start.data.length, seed * STREAMS + k).map((v) => v - 0.5) }
    const next = await run({ ...state, gradient, ...fixed })
    state = Object.fromEntries(Object.keys(state).map((name) => [name, next[`next_${name}`]]))
    found[`image ${k}`] = state.image
  }
  await run.close()
  return { ...found, mean: state.mean, square: state.square }
}

async function firstLosses(bundle, run, pixels) {
  const first = run.seed * STREAMS, found = {}
  const [content, style] = [CONTENT, STYLE].map((k) => picture(bundle.manifest.canvas, run.size, first + k))
  const settings = {
    objective: run.objective, pooling: run.pooling, term_weights: run.weights,
    preconditioner_pyramid: run.preconditioner, preconditioner_channels: run.channels,
  }
  const targets = await describe(bundle, settings, content, style)
  for await (const { told } of descend(bundle, settings, content, targets, run.losses.length - 1, pixels))
    found[`loss ${told.iteration}`] = told.loss
  return found
}
