// The picture: the photo, what is painted of it, and the slider between them.

import { chosen } from "../state.js";

const $ = (id) => document.getElementById(id);
/** Milliseconds between previews, at least. */
const NEXT_AFTER = 400;

let loading = false;
let waiting = null;
let shown = 0;
let version = 0;

export function initStage() {
  $("split").oninput = showSplit;
  showSplit();
}

function showSplit() {
  $("frame").style.setProperty("--split", `${$("split").value}%`);
  $("split").setAttribute("aria-valuetext", `${$("split").value} percent of the photo`);
}

/** Nothing is painted yet: the photo, or the place for it. */
export function showPhoto() {
  version += 1;
  waiting = null;
  loading = false;
  const { photo } = chosen;
  $("empty").hidden = Boolean(photo);
  $("frame").hidden = !photo;
  showBar();
  hide($("after"));
  splits(false);
  $("unseen").hidden = true;
  if (!photo) return;
  const before = $("before");
  before.hidden = false;
  before.alt = `The photo ${photo.name}`;
  before.onload = () => ratio(before.naturalWidth, before.naturalHeight);
  before.onerror = () => cannotShow(photo.name);
  before.src = photo.url;
}

function showBar() {
  $("photo").hidden = !chosen.photo;
  $("photo-name").textContent = chosen.photo?.name ?? "";
}

/** A job takes the stage; its photo is what the server has, upright. */
export function showJob(job) {
  version += 1;
  waiting = null;
  loading = false;
  $("empty").hidden = true;
  $("frame").hidden = false;
  $("unseen").hidden = true;
  showBar();
  ratio(job.width, job.height);
  hide($("after"));
  splits(false);
  $("split").value = 0;
  showSplit();
  const before = $("before");
  before.onload = before.onerror = null;
  if (job.pictures.content) {
    before.hidden = false;
    before.alt = `The photo ${job.pictures.content}`;
    before.onerror = () => hide(before);
    before.src = `/jobs/${job.id}/pictures/content.jpg`;
  } else {
    hide(before);
  }
}

/** Show what is painted, as soon as it is here; of several that come fast, the last. */
export function showPainted(url, alt) {
  waiting = { url, alt };
  if (!loading) next();
}

async function next() {
  if (!waiting) return;
  const { url, alt } = waiting;
  const mine = version;
  waiting = null;
  loading = true;
  const early = NEXT_AFTER - (performance.now() - shown);
  if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  if (mine !== version) return;
  const image = new Image();
  image.src = url;
  await image.decode().catch(() => null); // it may have been removed meanwhile
  if (mine !== version) return;
  loading = false;
  shown = performance.now();
  if (image.naturalWidth) {
    Object.assign(image, { id: "after", className: "after", alt });
    $("after").replaceWith(image); // decoded: it does not flicker
    splits(!$("before").hidden);
  }
  next();
}

function cannotShow(name) {
  hide($("before"));
  ratio(3, 2);
  $("unseen").hidden = false;
  $("unseen").textContent = `This browser cannot show ${name}; perhaps it can be painted.`;
}

function splits(can) {
  $("split").hidden = !can;
  $("frame").classList.toggle("splits", can);
}

function hide(image) {
  image.hidden = true;
  image.onload = image.onerror = null;
  image.removeAttribute("src");
  image.alt = "";
}

function ratio(width, height) {
  $("frame").style.setProperty("--ratio", width / height);
}
