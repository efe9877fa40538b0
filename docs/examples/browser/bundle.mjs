// A bundle: its manifest, and its graphs opened at a size by ONNX Runtime, whichever build it is.

const WEIGHTS = 'weights.bin'

export class Bundle {
  /**
   * @param ort the module onnxruntime-node, or onnxruntime-web
   * @param read (name) => Promise<Uint8Array>, a file of the bundle's folder
   * @param providers ONNX Runtime's execution providers: ['cpu'], ['wasm'], ['webgpu']
   */
  static async open(ort, read, providers) {
    const manifest = JSON.parse(new TextDecoder().decode(await read('manifest.json')))
    if (manifest.schema !== 6)
      throw new Error(`schema ${manifest.schema}: this reads schema 6`)
    const bundle = new Bundle()
    Object.assign(bundle, { ort, read, providers, manifest })
    bundle.weights = await checked(manifest, WEIGHTS, await read(WEIGHTS))
    return bundle
  }

  get onCpu() {
    return this.providers.every((p) => p === 'cpu' || p === 'wasm')
  }

  /** Winograd's convolutions are for CPUs, and must be worth preparing. */
  file(name, pixels) {
    return this.onCpu && pixels >= 400000 ? (this.manifest.winograd[name] ?? name) : name
  }

  /** A graph at a size: (feeds by name, values { data, dims }) => Promise of outputs alike. */
  async graph(name, [height, width], { pixels = 0 } = {}) {
    const file = this.file(name, pixels), signature = this.manifest.signatures[name]
    const shapes = [...Object.values(signature.inputs), ...Object.values(signature.outputs)]
    const names = new Set(shapes.flat().filter((side) => typeof side === 'string'))
    const session = await this.ort.InferenceSession.create(
      await checked(this.manifest, file, await this.read(file)),
      {
        executionProviders: this.providers,
        externalData: [{ path: WEIGHTS, data: this.weights }],
        freeDimensionOverrides: Object.fromEntries([...names].map((n) => [n, side(n, height, width)])),
        enableCpuMemArena: false,
        enableMemPattern: false,
        logSeverityLevel: 3,
      },
    )
    const run = async (given) => {
      const feeds = {}
      for (const key of Object.keys(signature.inputs))
        feeds[key] = new this.ort.Tensor('float32', given[key].data, given[key].dims)
      const found = {}
      for (const [key, value] of Object.entries(await session.run(feeds))) {
        found[key] = { data: await value.getData(), dims: value.dims }
        value.dispose()
      }
      return found
    }
    run.close = () => session.release()
    return run
  }
}

/** `height/8` at a size; one region, of which there are several only where masks are painted. */
export function side(name, height, width) {
  if (typeof name === 'number') return name
  if (name === 'regions') return 1
  const [axis, stride] = name.split('/')
  return Math.floor({ height, width }[axis] / Number(stride ?? 1))
}

/** The bytes of a file, if they are those that the manifest says. */
async function checked(manifest, name, bytes) {
  const hash = globalThis.crypto?.subtle // a page has it on https and localhost alone
  if (!hash) return bytes
  const digest = new Uint8Array(await hash.digest('SHA-256', bytes))
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  if (found !== manifest.files[name].sha256) throw new Error(`${name} was changed or damaged`)
  return bytes
}

export const one = (value) => ({ data: new Float32Array([value]), dims: [1] })
export const vector = (values) => ({ data: new Float32Array(values), dims: [values.length] })
