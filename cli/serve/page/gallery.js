// What was painted on this server, the latest first.

import { getJson, remove, tell } from "./api.js";
import { styleTitle } from "./choose/paintings.js";

const $ = (id) => document.getElementById(id);
const PAGE = 24;
const WORDS = { queued: "waiting", running: "being painted", paused: "paused", failed: "not painted", cancelled: "stopped" };

let oldest = 1e12;
let asked = null; // what is being loaded: answers to what was asked before are dropped

export function initGallery() {
  $("older").onclick = more;
}

export function openGallery() {
  oldest = 1e12;
  asked = null;
  $("cards").replaceChildren();
  return more();
}

async function more() {
  if (asked) return;
  const own = (asked = {});
  tell("gallery-problem", null);
  try {
    const { jobs } = await getJson(`/jobs?limit=${PAGE}&before=${oldest}`);
    if (own !== asked) return;
    const first = $("cards").children.length;
    $("cards").append(...jobs.map(card));
    oldest = jobs.at(-1)?.created ?? 0;
    $("older").hidden = jobs.length < PAGE;
    if (first && jobs.length) $("cards").children[first].querySelector("a").focus();
    says();
  } catch (problem) {
    if (own === asked) tell("gallery-problem", problem);
  } finally {
    if (own === asked) asked = null;
  }
}

function says() {
  const count = $("cards").children.length;
  $("gallery-says").textContent = count
    ? "Results are removed some time after they are done."
    : "Nothing was painted here yet.";
}

function card(job) {
  const item = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { href: `#/job/${job.id}`, className: "card" });
  const photo = job.pictures.content ?? "A texture";
  const styles = Object.keys(job.pictures).filter((name) => name.startsWith("style_"));
  const title = styles.map((name) => styleTitle(job.pictures[name])).join(" and ");
  const frame = Object.assign(document.createElement("span"), { className: "picture" });
  if (job.links.preview) {
    frame.append(Object.assign(new Image(), { src: job.links.preview, alt: "", loading: "lazy" }));
  }
  const text = document.createElement("span");
  text.append(
    Object.assign(document.createElement("strong"), { textContent: photo }),
    Object.assign(document.createElement("span"), {
      className: "quiet",
      textContent: [title, when(job.created), WORDS[job.status]].filter(Boolean).join(" · "),
    }),
  );
  text.className = "text";
  link.append(frame, text);
  item.append(link, removing(job, item, photo));
  return item;
}

/** Twice: there is no way back. */
function removing(job, item, name) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  const say = (text, label) => {
    button.textContent = text;
    button.setAttribute("aria-label", `${label}: ${name}`);
  };
  say("Remove", "Remove");
  let asked = false;
  button.onblur = () => {
    asked = false;
    say("Remove", "Remove");
  };
  button.onclick = async () => {
    if (!asked) {
      asked = true;
      say("Remove for good?", "Remove for good");
      return;
    }
    try {
      await remove(job.id);
      const other = item.nextElementSibling ?? item.previousElementSibling;
      item.remove();
      (other?.querySelector("a") ?? $("gallery-title")).focus();
      says();
    } catch (problem) {
      tell("gallery-problem", problem);
    }
  };
  return button;
}

function when(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return today
    ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : date.toLocaleDateString([], { day: "numeric", month: "short" });
}
