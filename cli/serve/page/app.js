// The page: which part of it is shown, and what happens when it is told to paint.

import { getJson, post, tell } from "./api.js";
import { initControls } from "./choose/controls.js";
import { initMore } from "./choose/more.js";
import { adoptStyles, initPaintings } from "./choose/paintings.js";
import { initPhoto, notice } from "./choose/photo.js";
import { clearProblems, showProblem } from "./choose/problems.js";
import { initGallery, openGallery } from "./gallery.js";
import { chosen } from "./state.js";
import { currentJob, initJob, leave, load, watch } from "./watch/job.js";
import { initStage, showPhoto } from "./watch/stage.js";

const $ = (id) => document.getElementById(id);

start();

async function start() {
  initStage();
  initJob((id) => paint(`job:${id}`));
  initPhoto();
  initGallery();
  $("choose").onsubmit = (event) => {
    event.preventDefault();
    paint();
  };
  document.querySelector(".skip").onclick = (event) => {
    event.preventDefault();
    document.querySelector("#choose button").focus();
  };
  chosen.addEventListener("change", ({ detail }) => {
    if (detail === "photo") changedPhoto();
    hint();
  });
  try {
    chosen.schema = await getJson("/settings");
    initControls();
    initMore();
    await initPaintings();
    $("to-local").hidden = !(await getJson("/health")).local;
  } catch (problem) {
    tell("problem", problem);
  }
  hint();
  addEventListener("hashchange", route);
  await route();
}

/** The address says what is shown, so that it can be loaded again and gone back from. */
async function route() {
  const [, where, id] = location.hash.split("/");
  const gallery = where === "gallery";
  $("paint").hidden = gallery;
  $("gallery").hidden = !gallery;
  for (const [link, current] of [["to-paint", !gallery], ["to-gallery", gallery]]) {
    if (current) $(link).setAttribute("aria-current", "page");
    else $(link).removeAttribute("aria-current");
  }
  document.title = gallery ? "Gallery – Impasto" : "Impasto";
  if (gallery) {
    await openGallery();
  } else if (where === "example") {
    history.replaceState(null, "", "#/");
    $("example").click();
  } else if (where === "job" && id !== currentJob()?.id) {
    await open(id);
  } else if (!where && currentJob()) {
    leave();
    showPhoto();
  }
  hint();
}

/** A job that was begun elsewhere or before: its pictures and settings are what is chosen. */
async function open(id) {
  const left = () => location.hash !== `#/job/${id}`; // for something else, before it was there
  try {
    const job = await load(id);
    if (left()) return;
    const name = job.pictures.content;
    const url = `/jobs/${id}/pictures/content.jpg`;
    clearProblems();
    notice(null);
    leave();
    chosen.setPhoto(name ? { name, url, part: `job:${id}/content` } : null);
    adoptStyles(job);
    chosen.adopt(job.settings);
    watch(job);
  } catch (problem) {
    if (left()) return;
    leave();
    showPhoto();
    tell("photo-problem", problem);
  }
}

async function paint(begin = null) {
  clearProblems();
  if (!chosen.photo && !chosen.styles.length) {
    tell("problem", "Choose a photo and a painting first.");
    return;
  }
  $("go").disabled = true;
  try {
    const job = await post("/jobs", chosen.body(begin));
    chosen.follow(job.id);
    notice(null);
    watch(job);
    hint();
    location.hash = `#/job/${job.id}`;
    $("job").focus({ preventScroll: true });
    scrollTo({ top: 0 });
  } catch (problem) {
    showProblem(problem);
  } finally {
    $("go").disabled = false;
  }
}

/** Another photo: what is painted of the last one leaves the stage, and is in the gallery. */
function changedPhoto() {
  tell("photo-problem", null);
  if (currentJob()) {
    leave();
    history.replaceState(null, "", "#/");
  }
  showPhoto();
}

function hint() {
  const { photo, styles } = chosen;
  let text = "";
  if (!photo && styles.length) text = "Without a photo, a texture of the painting is painted.";
  else if (photo && !styles.length) text = "Without a painting, the photo alone is painted again.";
  $("hint").textContent = text;
  const job = currentJob();
  $("go").textContent = job ? "Paint again" : "Paint";
  $("to-paint").href = job ? `#/job/${job.id}` : "#/";
}
