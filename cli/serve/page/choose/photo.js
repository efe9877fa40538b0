// A photo is dropped, pasted or chosen. A picture that was painted here brings its settings instead.

import { ask, sentence, tell } from "../api.js";
import { paintedSettings } from "../png.js";
import { chosen } from "../state.js";
import { addOwn } from "./paintings.js";

const $ = (id) => document.getElementById(id);

export function initPhoto() {
  for (const id of ["photo-file", "photo-other"]) {
    $(id).onchange = () => {
      take($(id).files);
      $(id).value = ""; // the same one may be chosen again
    };
  }
  $("photo-away").onclick = () => {
    chosen.setPhoto(null);
    $("photo-file").focus();
  };
  $("example").onclick = example;
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      take(event.clipboardData.files);
    }
  });
  initDrop();
}

function initDrop() {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // of elements that are entered
  const veil = (shown) => {
    depth = shown ? depth : 0;
    $("veil").hidden = !shown;
  };
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    veil(true);
  });
  addEventListener("dragleave", (event) => {
    if (hasFiles(event) && --depth <= 0) veil(false);
  });
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil(false);
    if (event.target.closest("#paintings")) addOwn(event.dataTransfer.files);
    else take(event.dataTransfer.files);
  });
}

async function take(files) {
  const file = files[0];
  if (!file) return;
  if (!$("gallery").hidden) location.hash = "#/";
  tell("photo-problem", null);
  notice(null);
  const settings = await paintedSettings(file);
  if (!settings) {
    usePhoto(file);
    return;
  }
  chosen.adopt(settings);
  notice("Impasto painted this picture: its settings are back.", "Use the picture as the photo", () =>
    usePhoto(file),
  );
}

function usePhoto(file) {
  notice(null);
  if (chosen.photo?.url.startsWith("blob:")) URL.revokeObjectURL(chosen.photo.url);
  chosen.setPhoto({ name: file.name, url: URL.createObjectURL(file), part: file });
}

async function example() {
  try {
    const blob = await (await ask("/styles/example/photo.jpg")).blob();
    usePhoto(new File([blob], "espresso.jpg", { type: "image/jpeg" }));
    if (!chosen.styles.length) document.querySelector("#tiles button")?.click();
    $("go").focus();
  } catch (problem) {
    tell("photo-problem", problem);
  }
}

/** Say something of the photo, with what can be done about it. */
export function notice(text, action, run) {
  const place = $("notice");
  place.hidden = !text;
  place.replaceChildren();
  if (!text) return;
  place.append(sentence(text));
  if (!action) return;
  const button = Object.assign(document.createElement("button"), {
    type: "button",
    className: "link",
    textContent: action,
    onclick: run,
  });
  place.append(" ", button);
}
