// One job on the stage: how it stands, and what can be done with it.

import { ask, getJson, post, sentence, tell } from "../api.js";
import { withoutTexts } from "../png.js";
import { Events } from "./events.js";
import { Plot } from "./plot.js";
import { showJob, showPainted } from "./stage.js";

const $ = (id) => document.getElementById(id);
/** Pixels above which the preview is shown, not the whole. */
const LARGE = 4e6;

let job = null;
let events = null;
let plot = null;
let said = "";

export const currentJob = () => job;

/** ``restart(id)`` has it painted on from here. */
export function initJob(restart) {
  plot = new Plot($("losses"));
  $("pause").onclick = () => act("pause");
  $("go-on").onclick = () => act("go-on");
  $("stop").onclick = () => act("stop");
  $("restart").onclick = () => restart(job.id);
  $("download-bare").onclick = downloadBare;
}

/** Put a job on the stage and follow it. */
export function watch(found) {
  leave();
  job = found;
  $("job").hidden = false;
  showJob(job);
  update(job);
  follow();
}

export function leave() {
  events?.close();
  events = job = null;
  said = "";
  plot.clear();
  $("plot").hidden = true;
  $("job").hidden = true;
  $("fraction").value = 0;
  tell("job-problem", null);
}

function follow() {
  events?.close();
  plot.clear();
  events = new Events(job.id, {
    job: update,
    ahead: (ahead) => job.status === "queued" && state({ ...job, ahead }),
    steps,
    lost: (lost) => {
      const text = "The server does not answer: asking again until it does.";
      tell("job-problem", lost ? text : null);
    },
    problem: (problem) => tell("job-problem", problem),
  });
}

async function act(what) {
  tell("job-problem", null);
  try {
    update(await post(`/jobs/${job.id}/${what}`));
    follow();
  } catch (problem) {
    tell("job-problem", problem);
  }
}

function update(found) {
  job = found;
  state(job);
  const active = ["queued", "running"].includes(job.status);
  const result = ["done", "cancelled"].includes(job.status) && job.links.result;
  const shown = {
    pause: active,
    "go-on": job.status === "paused",
    stop: active || job.status === "paused",
    download: result,
    "download-bare": result,
    restart: result,
  };
  const focused = document.activeElement;
  for (const [id, can] of Object.entries(shown)) $(id).hidden = !can;
  if (focused?.hidden && $("actions").contains(focused)) $("job").focus(); // its place, at least
  if (result) {
    $("download").href = result;
    $("download").download = `${fileName()}.png`;
  }
  tell("job-problem", job.error);
  $("notes").replaceChildren(
    ...job.notes.map((note) => Object.assign(document.createElement("li"), { textContent: sentence(note) })),
  );
  const large = job.width * job.height > LARGE;
  if (result && !large) showPainted(result, "The painted picture");
  else if (job.links.preview) preview();
}

const preview = () =>
  showPainted(`/jobs/${job.id}/preview.jpg?${Date.now()}`, "The picture as it is painted");

function steps(found) {
  for (const step of found) plot.add(step);
  plot.draw();
  $("plot").hidden = plot.length < 2;
  job.step = found[found.length - 1];
  if (job.status !== "running") return;
  state(job);
  preview();
}

/** Say how it stands; aloud, only where that changes. */
function state({ status, ahead, step, stopped, seconds, width, height, scales }) {
  const waits = ahead ? `Waiting: ${ahead} ${ahead > 1 ? "jobs are" : "job is"} before it` : "Waiting";
  const words = {
    queued: waits,
    running: step ? "Painting" : "Beginning",
    paused: "Paused",
    done: stopped === "deadline" ? "Done: its time was over" : "Done",
    cancelled: "Stopped",
    failed: "Not painted",
  };
  const painting = step && ["running", "paused"].includes(status);
  $("status").textContent = words[status];
  let left = "";
  if (status === "running" && step?.left) left = `about ${duration(step.left)} left`;
  if (status === "done" && seconds) left = `in ${duration(seconds)}`;
  $("left").textContent = left;
  $("scale").textContent = painting ? place(step) : `${width} × ${height} pixels${scales > 1 ? `, in ${scales} sizes` : ""}`;
  $("fraction").hidden = status !== "running" && status !== "paused";
  $("fraction").value = step?.fraction ?? 0;
  const aloud = painting ? `${words[status]}, size ${step.scale} of ${step.scales}` : words[status];
  if (aloud !== said) $("live").textContent = said = aloud;
}

function place({ width, height, scale, scales, iteration, iterations }) {
  return `${width} × ${height}, size ${scale} of ${scales}, iteration ${iteration} of ${iterations}`;
}

function duration(seconds) {
  if (seconds < 1.5) return "a second";
  if (seconds < 100) return `${Math.round(seconds)} seconds`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;
}

function fileName() {
  const plain = (name) => name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}]+/gu, "-");
  return [job.pictures.content, job.pictures.style_1].filter(Boolean).map(plain).join("-") || "impasto";
}

async function downloadBare() {
  try {
    const picture = await withoutTexts(await (await ask(job.links.result)).blob());
    const link = document.createElement("a");
    link.href = URL.createObjectURL(picture);
    link.download = `${fileName()}-bare.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (problem) {
    tell("job-problem", problem);
  }
}

export const load = (id) => getJson(`/jobs/${id}`);
