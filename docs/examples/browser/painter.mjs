// Impasto's loop, coarse to fine, with L-BFGS: docs/bundle.md says what each number is for.
// The same file runs in Node and in a browser's worker.

import { one, vector } from './bundle.mjs'
import { clipped, cropped, even, padded, resample } from './pictures.mjs'

const TOLERANCE = 0.1, RETRIES = 8, SHORTER = 0.3 // of steps that make the loss too large
const SETTLING = 2 // scales, the coarsest, whose preconditioner favors low frequencies
const STALLED = 1e-7, PATIENCE = 5, RESOLUTION = 1e-3

/** A painter's settings: a preset of the bundle, what it leaves out, and what is given. */
export function settingsOf(manifest, given = {}) {
  const [preset] = Object.values(manifest.presets)
  return { min_size: 64, schedule: [40], style_scale: null, ...preset.settings, ...given }
}

/**
 * Paint a content like a style; yields { scale, iteration, loss, size, image() } for the first image
 * of every scale (iteration 0) and after every iteration. Its last image is the best of the finest.
 */
export async function* paint(bundle, content, style, settings) {
  const { manifest } = bundle, unit = manifest.encoder.alignment, { canvas } = manifest
  const sizes = scaleSizes([content.height, content.width], settings, unit)
  const finest = sizes.at(-1), counts = sizes.map((_, k) => iterations(settings, k, sizes.length))
  const pixels = sizes.reduce((sum, [h, w], k) => sum + h * w * counts[k], 0)
  const fit = (picture, [h, w]) => clipped(resample(picture, h, w), canvas)
  const given = [style.height, style.width] // sizes are those of the pictures as they were given
  content = within(content, finest, canvas)
  style = within(style, styleSize(given, finest, unit, settings), canvas)
  let best, before
  for (const [scale, size] of sizes.entries()) {
    const first = fit(content, size)
    const shape = styleSize(given, size, unit, settings)
    const targets = await describe(bundle, settings, padded(first, unit), padded(fit(style, shape), unit))
    let image = first
    if (best) {
      const change = { ...best, data: best.data.map((v, i) => v - before.data[i]) }
      const added = resample(change, ...size)
      image = clipped({ ...first, data: first.data.map((v, i) => v + added.data[i]) }, canvas)
    }
    const own = scale < SETTLING ? settings : { ...settings, preconditioner_pyramid: none(settings) }
    for await (const state of descend(bundle, own, padded(image, unit), targets, counts[scale], pixels)) {
      const shown = () => cropped(state.best.picture, ...size)
      yield { scale, scales: sizes.length, iterations: counts[scale], size, ...state.told, image: shown }
      best = state.best.picture
    }
    best = cropped(best, ...size)
    before = first
  }
}

const none = ({ preconditioner_pyramid }) => preconditioner_pyramid.map(() => 0)

/** What the terms compare an image with: the content's features and the style's statistics. */
export async function describe(bundle, { objective, pooling }, content, style) {
  const { terms, poolings } = bundle.manifest.objectives[objective], found = {}
  for (const [source, picture] of [['content', content], ['style', style]]) {
    const run = await bundle.graph(poolings[pooling].describe, [picture.height, picture.width])
    const described = await run({ image: tensor(picture) })
    for (const input of terms.flatMap((term) => term.inputs))
      if (input.source === source) found[input.name] = described[input.name]
    await run.close()
  }
  return found
}

/** The iterations of one scale, from a padded image. */
export async function* descend(bundle, settings, image, targets, count, pixels = 0) {
  const { manifest } = bundle, size = [image.height, image.width]
  const { terms, poolings } = manifest.objectives[settings.objective]
  const step = await bundle.graph(poolings[settings.pooling].step, size, { pixels })
  const optimizer = await LBFGS.open(bundle, size, settings)
  const weights = vector(settings.term_weights ?? termWeights(terms, settings))
  const evaluate = async (picture) => {
    const { loss, gradient } = await step({ image: tensor(picture), weights, ...targets })
    return { picture, loss: loss.data[0], gradient }
  }
  try {
    let point = await evaluate(image), best = point, memory = optimizer.start()
    let idle = 0, restarted = false
    yield { best, told: { iteration: 0, loss: point.loss } }
    for (let iteration = 1; iteration <= count; iteration++) {
      let next, proposal, tried, lastTrial
      for ([tried, next] of tries(memory, optimizer)) {
        proposal = await optimizer.propose(tried, point, next)
        lastTrial = await evaluate({ ...image, data: proposal.next_image.data })
        if (lastTrial.loss <= point.loss + TOLERANCE * Math.abs(point.loss)) break
        proposal = null
      }
      if (!proposal) {
        if (Number.isFinite(lastTrial.loss) && isNear(lastTrial, point, manifest.canvas)) return
        throw new Error(`the loss went from ${point.loss} to ${lastTrial.loss}: try smaller weights`)
      }
      memory = optimizer.accept(tried, point, proposal)
      const stalled = Math.abs(point.loss - lastTrial.loss) <= STALLED * Math.abs(point.loss)
      idle = stalled ? idle + 1 : 0
      restarted &&= stalled
      point = lastTrial
      if (point.loss < best.loss) best = point
      yield { best, told: { iteration, loss: point.loss } }
      if (idle === PATIENCE) {
        if (restarted || !memory.pairs.length) return
        ;[idle, restarted, memory] = [0, true, optimizer.start()]
      }
    }
  } finally {
    await step.close()
    await optimizer.close()
  }
}

/** The memory with shorter and shorter steps, then none of it with such. */
function* tries(memory, optimizer) {
  if (memory.pairs.length) {
    for (let k = 0; k <= RETRIES / 2; k++) yield [memory, SHORTER ** k]
    memory = optimizer.start()
  }
  for (let k = 0; k <= RETRIES; k++) yield [memory, SHORTER ** k]
}

function isNear(a, b, { low, high }) {
  const other = b.picture.data
  return a.picture.data.every((v, i) => Math.abs(v - other[i]) < RESOLUTION * (high - low))
}

/** Pairs (s, y, rho), newest first, gamma, and the point before. */
export class LBFGS {
  static async open(bundle, size, settings) {
    const { optimizers } = bundle.manifest, optimizer = new LBFGS()
    optimizer.run = await bundle.graph(optimizers.lbfgs, size)
    optimizer.older = optimizers.history_size - 1
    optimizer.fixed = {
      preconditioner: vector(settings.preconditioner_pyramid),
      channels: one(settings.preconditioner_channels),
    }
    return optimizer
  }

  start() {
    return { pairs: [], gamma: one(0), previous: null }
  }

  async propose(memory, point, step) {
    const previous = memory.previous ?? point, image = tensor(point.picture)
    this.blank ??= { data: new Float32Array(image.data.length), dims: image.dims }
    const feeds = {
      image, gradient: point.gradient,
      previous_image: tensor(previous.picture), previous_gradient: previous.gradient,
      step: one(step), gamma: memory.gamma, ...this.fixed,
    }
    for (let i = 1; i <= this.older; i++) {
      const { s, y, rho } = memory.pairs[i - 1] ?? { s: this.blank, y: this.blank, rho: one(0) }
      Object.assign(feeds, { [`s_${i}`]: s, [`y_${i}`]: y, [`rho_${i}`]: rho })
    }
    return this.run(feeds)
  }

  accept(memory, point, { s, y, rho, next_gamma }) {
    const pairs = rho.data[0] > 0 ? [{ s, y, rho }, ...memory.pairs] : memory.pairs
    return { pairs: pairs.slice(0, this.older), gamma: next_gamma, previous: point }
  }

  close() {
    return this.run.close()
  }
}

export const tensor = ({ data, channels, height, width }) => ({ data, dims: [1, channels, height, width] })

function termWeights(terms, settings) {
  const heads = { content: settings.content_weight, style: settings.style_weight, tv: settings.tv_weight }
  const named = { ...heads, ...settings.weights }
  return terms.map((term) => named[term.name] ?? named[term.head] ?? term.weight)
}

/** (height, width) of the scales, the coarsest first. */
export function scaleSizes(shape, { size, min_size }, least) {
  const found = [scaled(shape, size)]
  for (let side = size >> 1; side >= min_size; side >>= 1) found.unshift(scaled(shape, side))
  return found.filter((sides) => sides.every((side, axis) => side >= least[axis]))
}

function scaled(shape, side) {
  const factor = side / Math.max(...shape)
  return shape.map((n) => Math.max(1, even(n * factor)))
}

/** As many pixels as the image, but no larger than the style is. */
function styleSize(shape, [height, width], least, { style_scale }) {
  const area = Math.sqrt((height * width) / (shape[0] * shape[1]))
  const wanted = style_scale === null ? Math.min(area, 1) : style_scale * area
  const factor = Math.max(wanted, ...least.map((n, axis) => n / shape[axis]))
  return shape.map((n, axis) => Math.max(least[axis], even(n * factor)))
}

function iterations({ schedule, iterations: last }, place, count) {
  const usual = schedule[Math.min(count > 1 ? place : 1, schedule.length - 1)]
  if (last === undefined) return usual
  return place === count - 1 ? last : Math.min(usual, last)
}

/** A picture that is larger comes in this size. */
function within(picture, [height, width], canvas) {
  if (picture.height <= height && picture.width <= width) return picture
  return clipped(resample(picture, height, width), canvas)
}
