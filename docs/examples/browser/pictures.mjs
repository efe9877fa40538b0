// Pictures are { data, channels, height, width }: planes of float32, one channel after the other,
// as the graphs take them. Resampling is Pillow's Lanczos, and rounding is Python's.

/** The nearest integer; halves go to the even one. */
export function even(x) {
  const low = Math.floor(x)
  if (x - low !== 0.5) return Math.round(x)
  return low % 2 ? low + 1 : low
}

export const blank = (channels, height, width) => ({
  data: new Float32Array(channels * height * width), channels, height, width,
})

/** Of 8-bit RGB or RGBA, one pixel after the other. */
export function fromBytes(bytes, height, width, step) {
  const picture = blank(3, height, width), plane = height * width
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < 3; c++) picture.data[c * plane + i] = bytes[i * step + c] / 255
  return picture
}

/** 8-bit RGBA. */
export function toBytes({ data, height, width }) {
  const plane = height * width, bytes = new Uint8ClampedArray(4 * plane).fill(255)
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < 3; c++) bytes[4 * i + c] = even(Math.min(1, Math.max(0, data[c * plane + i])) * 255)
  return bytes
}

/** A picture of every value. */
export const map = (picture, f) => ({ ...picture, data: picture.data.map(f) })

export const clipped = (picture, { low, high }) => map(picture, (v) => Math.min(high, Math.max(low, v)))

/** Antialiased Lanczos, along the rows and then along the columns. */
export function resample(picture, height, width) {
  const across = width === picture.width ? picture : stretched(picture, width, true)
  return height === picture.height ? across : stretched(across, height, false)
}

function stretched(picture, size, isAcross) {
  const { data, channels } = picture
  const height = isAcross ? picture.height : size, width = isAcross ? size : picture.width
  const result = blank(channels, height, width)
  const taps = kernel(isAcross ? picture.width : picture.height, size)
  const step = isAcross ? 1 : picture.width
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const { first, weights } = taps[isAcross ? x : y]
        let from = c * picture.height * picture.width
        from += isAcross ? y * picture.width + first : first * picture.width + x
        let sum = 0
        for (let k = 0; k < weights.length; k++) sum += data[from + k * step] * weights[k]
        result.data[(c * height + y) * width + x] = sum
      }
  return result
}

/** For every place of the result, the first place that it is made of, and the weights from there. */
function kernel(length, size) {
  const scale = length / size, wide = Math.max(scale, 1), reach = 3 * wide
  return Array.from({ length: size }, (_, place) => {
    const centre = (place + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + 0.5))
    const end = Math.min(length, Math.trunc(centre + reach + 0.5))
    const raw = Array.from({ length: end - first }, (_, k) => lanczos((first + k - centre + 0.5) / wide))
    const sum = raw.reduce((a, b) => a + b)
    return { first, weights: raw.map((w) => w / sum) }
  })
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))
const lanczos = (x) => (-3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0)

/** Reflected at the bottom and the right, up to multiples of the alignment. */
export function padded(picture, [down, across]) {
  const { data, channels, height, width } = picture
  const result = blank(channels, Math.ceil(height / down) * down, Math.ceil(width / across) * across)
  let i = 0
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < result.height; y++)
      for (let x = 0; x < result.width; x++)
        result.data[i++] = data[(c * height + mirrored(y, height)) * width + mirrored(x, width)]
  return result
}

/** 0 1 2 1 0 1 2 ... for a side of 3. */
function mirrored(index, side) {
  const period = Math.max(2 * (side - 1), 1), place = index % period
  return side > 1 ? Math.min(place, period - place) : 0
}

/** The top left of a padded one. */
export function cropped({ data, channels, height, width }, rows, columns) {
  const result = blank(channels, rows, columns)
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < rows; y++) {
      const from = (c * height + y) * width
      result.data.set(data.subarray(from, from + columns), (c * rows + y) * columns)
    }
  return result
}
