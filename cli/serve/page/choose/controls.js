// The few controls in sight. Each shows a setting, and sets it; at its middle it leaves it.

import { chosen } from "../state.js";

const $ = (id) => document.getElementById(id);
const SIZES = [256, 384, 512, 768, 1024, 1536, 2048];

export function initControls() {
  $("strength").oninput = () => {
    const power = Number($("strength").value);
    const usual = chosen.usual("style_weight");
    chosen.set("style_weight", power ? Number((usual * 10 ** power).toPrecision(3)) : undefined);
  };
  $("strokes").oninput = () => {
    const power = Number($("strokes").value);
    chosen.set("style_scale", power ? Number((2 ** power).toPrecision(3)) : undefined);
  };
  for (const name of ["color", "quality"]) {
    $(name).onchange = (event) => {
      const value = event.target.value;
      chosen.set(name, value === chosen.usual(name) ? undefined : value);
    };
  }
  $("size").onchange = () => {
    const text = $("size").value;
    chosen.set("size", text === "original" ? text : Number(text));
  };
  chosen.addEventListener("change", ({ detail }) => detail === "settings" && show());
  show();
}

function show() {
  const { settings } = chosen;
  const strength = (settings.style_weight ?? chosen.usual("style_weight")) / chosen.usual("style_weight");
  slider("strength", Math.log10(strength) || 0, factor(strength));
  const strokes = settings.style_scale;
  slider("strokes", strokes ? Math.log2(strokes) : 0, strokes ? factor(strokes) : "as painted");
  for (const name of ["color", "quality"]) {
    const value = name === "quality" && settings.iterations ? null : chosen.value(name);
    for (const radio of $(name).querySelectorAll("input")) radio.checked = radio.value === value;
  }
  showSize(settings);
}

function slider(id, value, text) {
  // What is being dragged is left where it is: it may be between two steps.
  if (document.activeElement !== $(id) || Math.abs($(id).value - value) > 0.06) $(id).value = value;
  $(`${id}-says`).textContent = text;
  $(id).setAttribute("aria-valuetext", text);
}

function factor(value) {
  if (!Number.isFinite(value) || value < 0) return "";
  if (Math.abs(value - 1) < 0.01) return "normal";
  return `× ${value >= 10 ? Math.round(value) : Number(value.toPrecision(2))}`;
}

/** Sizes to choose from, and the one that is set by other means. */
function showSize(settings) {
  const others = ["width", "height", "megapixels"].filter((name) => name in settings);
  const options = SIZES.map((size) => [String(size), `${size} pixels`]);
  options.push(["original", "As the photo"]);
  let value = String(chosen.value("size"));
  if (others.length) {
    value = "other";
    options.unshift([value, others.map((name) => `${name} ${settings[name]}`).join(", ")]);
  } else if (!options.some(([known]) => known === value)) {
    options.unshift([value, `${value} pixels`]);
  }
  const made = options.map(([name, text]) => new Option(text, name, false, name === value));
  made.forEach((option) => (option.disabled = option.value === "other"));
  $("size").replaceChildren(...made);
}
