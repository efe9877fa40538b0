// Asks the server. What it refuses comes as a Problem, which has its sentence.

import { askToken } from "./token.js";

export class Problem extends Error {
  constructor(sentence, { status = 0, field = null } = {}) {
    super(sentence);
    this.status = status;
    this.field = field;
  }
}

const SILENT =
  "the server does not answer: it may have ended, or a picture may be larger than it takes";

/** The answer to a request; who must give a token first is asked for it. */
export async function ask(path, options = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      throw new Problem(SILENT);
    }
    if (answer.ok) return answer;
    if (answer.status !== 401) throw await problemOf(answer);
    await answer.body?.cancel(); // its connection is free for the token
    await askToken();
  }
}

export const getJson = async (path) => (await ask(path)).json();
export const post = async (path, body) => (await ask(path, { method: "POST", body })).json();
export const remove = (id) => ask(`/jobs/${id}`, { method: "DELETE" });

/** Exchange a token for a cookie: pictures and events send no headers. */
export async function beginSession(token) {
  let answer;
  try {
    // As bytes: what is outside of Latin-1 cannot be in a header otherwise.
    const bytes = String.fromCharCode(...new TextEncoder().encode(token));
    answer = await fetch("/session", {
      method: "POST",
      headers: { Authorization: `Bearer ${bytes}` },
    });
  } catch {
    throw new Problem(SILENT);
  }
  if (!answer.ok) throw await problemOf(answer);
}

async function problemOf(answer) {
  const body = await answer.json().catch(() => ({}));
  const sentence = body.detail ?? `the server says ${answer.status} ${answer.statusText}`;
  return new Problem(sentence, { status: answer.status, field: body.field });
}

/** Show a problem in its place; none hides it. */
export function tell(place, problem) {
  const element = document.getElementById(place);
  const text = problem ? problem.message ?? String(problem) : "";
  element.textContent = text && sentence(text);
  element.hidden = !text;
}

/** With a full stop, and a capital letter unless it begins with the name of a file or setting. */
export function sentence(text) {
  const plain = /^(an?|it|no|others?|that|the|there|this)\b[^.=]/.test(text);
  const begins = plain ? text[0].toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(begins) ? begins : `${begins}.`;
}
