// The chunks of a PNG: what it says of its making, and the same picture without that.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const TEXTS = ["tEXt", "iTXt", "zTXt", "eXIf", "tIME"];

/** Settings of a file that Impasto painted; null if it is none. */
export async function paintedSettings(file) {
  if (file.type && file.type !== "image/png") return null;
  const texts = {};
  try {
    for (const { type, start, length, bytes } of chunks(new Uint8Array(await file.arrayBuffer()))) {
      if (type === "tEXt" || type === "iTXt") {
        const [name, text] = textOf(type, bytes.subarray(start + 8, start + 8 + length));
        texts[name] ??= text;
      }
    }
    if (!texts.Software?.startsWith("impasto ")) return null;
    const found = JSON.parse(texts.settings);
    return found && typeof found === "object" && !Array.isArray(found) ? found : null;
  } catch {
    return null; // damaged: it is a picture as others are, and the server says what is wrong
  }
}

/** The same picture, which says nothing of its making. */
export async function withoutTexts(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const kept = [bytes.subarray(0, 8)];
  for (const { type, start, length } of chunks(bytes)) {
    if (!TEXTS.includes(type)) kept.push(bytes.subarray(start, start + length + 12));
  }
  return new Blob(kept, { type: "image/png" });
}

/** A chunk is its length, type, data and checksum. */
function* chunks(bytes) {
  if (SIGNATURE.some((value, i) => bytes[i] !== value)) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 8; start + 12 <= bytes.length; ) {
    const length = view.getUint32(start);
    if (start + 12 + length > bytes.length) return;
    const type = String.fromCharCode(...bytes.subarray(start + 4, start + 8));
    yield { type, start, length, bytes };
    start += length + 12;
  }
}

function textOf(type, data) {
  const end = data.indexOf(0);
  const name = latin(data.subarray(0, end));
  if (type === "tEXt") return [name, latin(data.subarray(end + 1))];
  if (data[end + 1]) return [name, ""]; // compressed: not as Impasto writes
  const language = data.indexOf(0, end + 3);
  const translated = data.indexOf(0, language + 1);
  return [name, new TextDecoder().decode(data.subarray(translated + 1))];
}

const latin = (bytes) => new TextDecoder("latin1").decode(bytes);
