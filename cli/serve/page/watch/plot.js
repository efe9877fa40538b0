// The losses as two lines on a logarithmic scale, over the work that is done so far.

const WIDTH = 320;
const HEIGHT = 84;
const MARGIN = 6;
const SVG = "http://www.w3.org/2000/svg";

export class Plot {
  constructor(svg) {
    this.svg = svg;
    this.clear();
  }

  clear() {
    this.points = [];
    this.svg.replaceChildren();
  }

  add(step) {
    if (step.loss === null) return;
    const sums = { content: 0, style: 0 };
    for (const [term, loss] of Object.entries(step.terms)) {
      sums[term.startsWith("content") ? "content" : "style"] += loss;
    }
    this.points.push({ x: step.fraction, scale: step.scale, ...sums });
  }

  get length() {
    return this.points.length;
  }

  draw() {
    const lines = ["style", "content"].filter((name) => this.points.some((p) => p[name] > 0));
    const values = this.points.flatMap((p) => lines.map((name) => p[name])).filter((v) => v > 0);
    if (!values.length) return;
    const low = Math.log(Math.min(...values));
    const high = Math.max(Math.log(Math.max(...values)), low + 1e-9);
    const inner = HEIGHT - 2 * MARGIN;
    const y = (value) => HEIGHT - MARGIN - (inner * (Math.log(value) - low)) / (high - low);
    const done = Math.max(this.points[this.points.length - 1].x, 1e-9);
    const x = (share) => MARGIN + (WIDTH - 2 * MARGIN) * (share / done);
    const made = this.#borders().map((share) => line(`M${x(share).toFixed(1)} 0V${HEIGHT}`, "border"));
    for (const name of lines) {
      const shown = thinned(this.points.filter((p) => p[name] > 0));
      const path = shown.map((p, i) => `${i ? "L" : "M"}${x(p.x).toFixed(1)} ${y(p[name]).toFixed(1)}`);
      made.push(line(path.join(""), name));
    }
    this.svg.replaceChildren(...made);
    const legend = this.svg.parentElement.querySelectorAll("span[class=style], span[class=content]");
    for (const name of legend) name.hidden = !lines.includes(name.className);
    this.svg.setAttribute("aria-label", this.#words(lines));
  }

  /** Where a finer scale begins. */
  #borders() {
    return this.points.filter((p, i) => i && p.scale !== this.points[i - 1].scale).map((p) => p.x);
  }

  #words(lines) {
    const first = this.points[0];
    const last = this.points[this.points.length - 1];
    const says = (value) => value.toPrecision(2);
    const parts = lines.map((name) => `${name} from ${says(first[name])} to ${says(last[name])}`);
    return `Losses: ${parts.join(", ")}`;
  }
}

/** At most as many points as pixels. */
function thinned(points) {
  const every = Math.ceil(points.length / WIDTH);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}

function line(path, name) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("d", path);
  element.setAttribute("class", name);
  element.setAttribute("vector-effect", "non-scaling-stroke");
  return element;
}
