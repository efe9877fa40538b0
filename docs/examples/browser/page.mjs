// The page: reads two pictures, gives them to the worker, shows what comes back.

const $ = (id) => document.getElementById(id)
const say = (text) => ($('status').textContent = text)
let worker, started

if (!navigator.gpu) $('gpu-label').hidden = true

$('form').addEventListener('submit', async (event) => {
  event.preventDefault()
  stop('')
  try {
    const [content, style] = await Promise.all(['content', 'style'].map((id) => decoded($(id).files[0])))
    worker = new Worker(new URL('worker.mjs', import.meta.url), { type: 'module' })
    worker.onmessage = ({ data }) => received(data)
    worker.onerror = (error) => stop(error.message || 'The worker could not be started.')
    started = performance.now()
    const settings = { size: Number($('size').value), iterations: Number($('iterations').value) }
    worker.postMessage({ content, style, settings, gpu: $('gpu').checked })
    busy(true)
    say('Loading the network…')
  } catch (error) {
    stop(error.message)
  }
})

$('stop').addEventListener('click', () => stop('Stopped. This is how far it came.'))

function received({ error, done, step, threads }) {
  if (error) return stop(error)
  if (done) return stop(`Painted in ${seconds()}.`)
  const { scale, scales, iteration, iterations, loss, width, height, bytes } = step
  const canvas = $('picture')
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
  canvas.getContext('2d').putImageData(new ImageData(bytes, width, height), 0, 0)
  canvas.hidden = false
  $('progress').value = (scale + iteration / iterations) / scales
  canvas.dataset.loss = loss
  const on = threads > 1 ? `, ${threads} threads` : ''
  say(`${width} × ${height}: iteration ${iteration} of ${iterations}, ${seconds()}${on}.`)
}

const seconds = () => `${Math.round((performance.now() - started) / 1000)} seconds`

function busy(value) {
  $('start').disabled = value
  $('stop').disabled = !value
  $('progress').hidden = !value
  $('save').hidden = true
}

function stop(text) {
  worker?.terminate()
  worker = undefined
  busy(false)
  if (text) say(text)
  if ($('picture').hidden) return
  $('picture').toBlob((blob) => {
    URL.revokeObjectURL($('save').href)
    $('save').href = URL.createObjectURL(blob)
    $('save').hidden = false
  })
}

/** RGBA of a file, upright, on white; larger pictures come in a size that is still too large. */
async function decoded(file) {
  let bitmap
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' })
  } catch {
    throw new Error(`${file?.name ?? 'The file'} cannot be read: choose a JPEG, PNG or WebP picture.`)
  }
  const factor = Math.min(1, 2048 / Math.max(bitmap.width, bitmap.height))
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(16, Math.round(side * factor)))
  const context = new OffscreenCanvas(width, height).getContext('2d')
  context.fillStyle = '#fff'
  context.fillRect(0, 0, width, height)
  context.drawImage(bitmap, 0, 0, width, height)
  return { bytes: context.getImageData(0, 0, width, height).data, width, height }
}
