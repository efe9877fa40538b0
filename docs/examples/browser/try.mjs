// node try.mjs CHROMIUM ADDRESS PHOTO PAINTING FOLDER [--verify TEXT]
// What the tests do with the page, in a real browser: paint at 128 pixels, save; one JSON line.

import path from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    verify: { type: 'string' },
    iterations: { type: 'string', default: '4' },
    gpu: { type: 'boolean', default: false },
  },
})
const [executablePath, address, photo, painting, folder] = positionals
const software = values.gpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : ['--disable-gpu']
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', ...software] })
const page = await browser.newPage({ viewport: { width: 390, height: 844 } })
page.setDefaultTimeout(280000)
const faults = [], strangers = []
page.on('pageerror', (error) => faults.push(error.message))
page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
page.on('request', (request) => {
  const { protocol, origin } = new URL(request.url())
  const sends = request.method() !== 'GET' || (origin !== new URL(address).origin && !['data:', 'blob:'].includes(protocol))
  if (sends) strangers.push(request.url())
})
await page.goto(address)
const isolated = await page.evaluate(() => crossOriginIsolated)
const told = { isolated, faults, strangers }
if (values.verify !== undefined) {
  const given = { only: values.verify, gpu: values.gpu }
  Object.assign(told, await page.evaluate((verify) => new Promise((resolve) => {
    const worker = new Worker('worker.mjs', { type: 'module' })
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = (error) => resolve({ error: error.message })
    worker.postMessage({ verify })
  }), given))
} else {
  await page.screenshot({ path: path.join(folder, 'first.png'), fullPage: true })
  await page.setInputFiles('#content', photo)
  await page.setInputFiles('#style', painting)
  await page.selectOption('#size', '128')
  await page.fill('#iterations', values.iterations)
  if (values.gpu) await page.check('#gpu')
  await page.click('#start')
  await page.waitForFunction(() => /iteration 2 of/.test(document.getElementById('status').textContent))
  await page.screenshot({ path: path.join(folder, 'painting.png'), fullPage: true })
  await page.waitForFunction(() => !document.getElementById('start').disabled)
  told.status = await page.textContent('#status')
  told.loss = Number(await page.getAttribute('#picture', 'data-loss'))
  await page.waitForSelector('#save:not([hidden])')
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')])
  await download.saveAs(path.join(folder, 'painted.png'))
  await page.screenshot({ path: path.join(folder, 'done.png'), fullPage: true })
}
await browser.close()
console.log(JSON.stringify(told))
