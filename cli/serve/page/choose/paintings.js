// The paintings: those that come with the server, one's own, and how much of each.

import { getJson, tell } from "../api.js";
import { chosen } from "../state.js";

const $ = (id) => document.getElementById(id);
/** By key: what a tile stands for. */
const known = new Map();

export async function initPaintings() {
  $("style-file").onchange = () => {
    addOwn($("style-file").files);
    $("style-file").value = "";
  };
  chosen.addEventListener("change", ({ detail }) => detail === "styles" && show());
  for (const painting of await getJson("/styles")) {
    addTile({
      key: painting.name,
      name: painting.title,
      about: [painting.artist, painting.year].filter(Boolean).join(", "),
      url: painting.image,
      part: `painting:${painting.name}`,
    });
  }
  show();
}

/** Choose pictures from files. */
export function addOwn(files) {
  tell("style-problem", null);
  for (const file of files) {
    const style = {
      key: `file ${file.name} ${file.size} ${file.lastModified}`,
      name: file.name,
      url: URL.createObjectURL(file),
      part: file,
    };
    if (!known.has(style.key)) addTile(style);
    if (!chosen.styles.some((one) => one.key === style.key)) chosen.toggleStyle(style);
  }
}

/** Choose the paintings of a job. */
export function adoptStyles(job) {
  const weights = job.settings.blend ?? [];
  const names = Object.keys(job.pictures).filter((name) => name.startsWith("style_"));
  names.sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)));
  const styles = names.map((name, index) => {
    const called = job.pictures[name];
    const style = known.get(called) ?? {
      key: `job ${job.id} ${name}`,
      name: called,
      url: `/jobs/${job.id}/pictures/${name}.jpg`,
      part: `job:${job.id}/${name}`,
    };
    if (!known.has(style.key)) addTile(style);
    return { ...style, weight: weights[index] ?? 1 };
  });
  chosen.setStyles(styles);
}

export const styleTitle = (called) => known.get(called)?.name ?? called;

function addTile(style) {
  known.set(style.key, style);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tile";
  button.dataset.key = style.key;
  button.title = [style.name, style.about].filter(Boolean).join("\n");
  button.setAttribute("aria-label", [style.name, style.about].filter(Boolean).join(", "));
  const image = Object.assign(new Image(), { src: style.url, alt: "" });
  image.onerror = () => {
    image.remove();
    button.textContent = style.name; // a kind that this browser cannot show
  };
  button.append(image);
  button.onclick = () => {
    tell("style-problem", null);
    chosen.toggleStyle(style);
  };
  const item = document.createElement("li");
  item.append(button);
  $("tiles").lastElementChild.before(item);
}

function show() {
  const keys = chosen.styles.map((style) => style.key);
  for (const tile of $("tiles").querySelectorAll("button")) {
    tile.setAttribute("aria-pressed", String(keys.includes(tile.dataset.key)));
  }
  const [only] = chosen.styles;
  const several = chosen.styles.length > 1;
  $("caption").textContent = several
    ? ""
    : only
      ? [only.name, only.about].filter(Boolean).join(" · ")
      : "Choose one, or several to blend.";
  $("blend").hidden = !several;
  $("blend").replaceChildren(...(several ? chosen.styles.map(slider) : []));
}

function slider(style, index) {
  const row = document.createElement("div");
  row.className = "control";
  const label = Object.assign(document.createElement("label"), {
    htmlFor: `blend-${index}`,
    textContent: style.name,
  });
  const says = Object.assign(document.createElement("output"), { htmlFor: `blend-${index}` });
  const input = Object.assign(document.createElement("input"), {
    id: `blend-${index}`,
    type: "range",
    min: 0,
    max: 2,
    step: 0.05,
    value: style.weight,
  });
  input.oninput = () => {
    style.weight = Number(input.value);
    shares();
  };
  says.dataset.index = index;
  row.append(label, says, input);
  queueMicrotask(shares);
  return row;
}

function shares() {
  const sum = chosen.styles.reduce((total, style) => total + style.weight, 0);
  for (const output of $("blend").querySelectorAll("output")) {
    const style = chosen.styles[output.dataset.index];
    const text = sum ? `${Math.round((100 * style.weight) / sum)} %` : "none";
    output.textContent = text;
    $(output.htmlFor.value).setAttribute("aria-valuetext", text);
  }
}
