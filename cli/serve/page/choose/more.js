// All settings, made from the server's JSON schema: what is added there appears here.

import { chosen, same } from "../state.js";

const $ = (id) => document.getElementById(id);
/** ``blend`` has its sliders beside the paintings. */
const ELSEWHERE = ["blend"];
const GROUPS = { looks: "How it looks", time: "How it is computed" };

export function initMore() {
  const groups = new Map();
  for (const [name, about] of Object.entries(chosen.schema.properties)) {
    if (ELSEWHERE.includes(name)) continue;
    const group = about["x-group"] ?? "looks";
    if (!groups.has(group)) groups.set(group, section(GROUPS[group] ?? group));
    groups.get(group).append(row(name, about));
  }
  $("more-fields").replaceChildren(...groups.values());
  $("reset").onclick = () => chosen.reset();
  chosen.addEventListener("change", ({ detail }) => detail === "settings" && show());
  show();
}

/** The control of a setting that is wrong, shown. */
export function reveal(name) {
  const control = $(`set-${name}`);
  if (!control) return null;
  $("more").open = true;
  return control;
}

function section(title) {
  const found = document.createElement("fieldset");
  found.append(Object.assign(document.createElement("legend"), { textContent: title }));
  return found;
}

function row(name, about) {
  const found = document.createElement("div");
  found.className = "field";
  found.dataset.field = name;
  const id = `set-${name}`;
  const label = document.createElement("label");
  label.htmlFor = id;
  label.textContent = name.replaceAll("_", " ");
  if (about["x-unit"]) label.append(Object.assign(document.createElement("small"), { textContent: ` ${about["x-unit"]}` }));
  const control = controlOf(about);
  control.id = id;
  control.setAttribute("aria-describedby", `${id}-help`);
  control.onchange = () => {
    chosen.set(name, parse(control.value, kindOf(about)));
  };
  const help = Object.assign(document.createElement("small"), {
    id: `${id}-help`,
    className: "quiet",
    textContent: about.description ?? "",
  });
  found.append(label, control, help);
  return found;
}

/** The type that is no null: number, text, choice, list, table, or mixed (a number or a word). */
function kindOf(about) {
  const types = (about.anyOf ?? [about]).filter(({ type }) => type !== "null");
  if (types.length > 1) return { kind: "mixed" };
  const [only] = types;
  if (only.enum) return { kind: "choice", values: only.enum };
  if (about.examples) return { kind: "choice", values: about.examples };
  if (only.type === "integer" || only.type === "number") return { kind: "number", ...only };
  return { kind: { array: "list", object: "table" }[only.type] ?? "text" };
}

function controlOf(about) {
  const { kind, values, minimum, maximum, type } = kindOf(about);
  if (kind === "choice") {
    const select = document.createElement("select");
    select.append(new Option("", ""), ...values.map((value) => new Option(value, value)));
    return select;
  }
  const input = document.createElement("input");
  input.autocomplete = "off";
  input.type = kind === "number" ? "number" : "text";
  if (kind === "number") {
    Object.assign(input, { min: minimum ?? "", max: maximum ?? "", step: type === "integer" ? 1 : "any" });
  }
  return input;
}

/** What is written, as what is sent. What is not understood is sent as it is: the server says why. */
function parse(text, { kind }) {
  const plain = text.trim();
  if (!plain) return undefined;
  if (kind === "number" || kind === "mixed") return number(plain);
  if (kind === "list") return plain.split(/[\s,]+/).map(number);
  if (kind === "table") {
    const pairs = plain.split(/[\s,]+/).map((pair) => pair.split("="));
    return Object.fromEntries(pairs.map(([name, value]) => [name, number(value ?? "")]));
  }
  return plain;
}

const number = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : text);

function written(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") return Object.entries(value).map((pair) => pair.join("=")).join(", ");
  return String(value);
}

function show() {
  for (const [name, about] of Object.entries(chosen.schema.properties)) {
    const control = $(`set-${name}`);
    if (!control) continue;
    const usual = written(chosen.usual(name)) || about["x-none"] || "none";
    const now = written(chosen.settings[name]);
    if (control.tagName === "SELECT") {
      control.options[0].textContent = `${usual} (usual)`;
      if (now && ![...control.options].some((option) => option.value === now)) {
        control.append(new Option(now, now));
      }
    } else {
      control.placeholder = control.title = usual;
    }
    if (!same(control.value, now)) control.value = now;
    control.closest(".field").classList.toggle("set", now !== "");
  }
  const count = Object.keys(chosen.settings).length;
  $("more-count").textContent = count ? `${count} set` : "";
  $("reset").hidden = !count;
}
