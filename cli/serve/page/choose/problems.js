// Says what the server refuses where it was chosen: at the setting, photo or painting.

import { tell } from "../api.js";
import { chosen } from "../state.js";
import { reveal } from "./more.js";

const PLACES = ["problem", "photo-problem", "style-problem"];

export function clearProblems() {
  for (const place of PLACES) tell(place, null);
  document.querySelectorAll("#choose .problem.at").forEach((element) => element.remove());
  for (const element of document.querySelectorAll("[aria-invalid]")) {
    element.removeAttribute("aria-invalid");
    element.removeAttribute("aria-errormessage");
  }
}

export function showProblem(problem) {
  clearProblems();
  const control = problem.field ? inSight(problem.field) ?? reveal(problem.field) : null;
  if (control) {
    at(control, problem);
    return;
  }
  const names = (name) => name && problem.message.includes(name);
  let place = "problem";
  if (names(chosen.photo?.name)) place = "photo-problem";
  else if (chosen.styles.some((style) => names(style.name))) place = "style-problem";
  tell(place, problem);
  document.getElementById(place).scrollIntoView({ block: "nearest" });
}

/** A control in sight that shows exactly what was sent. */
function inSight(field) {
  const control = document.querySelector(`#controls [data-field="${field}"] :is(select, input:checked)`);
  return control?.tagName === "SELECT" && control.value === "other" ? null : control;
}

function at(control, problem) {
  const id = `${control.id || control.name}-problem`;
  const place = Object.assign(document.createElement("p"), { id, className: "problem at" });
  place.setAttribute("role", "alert");
  control.closest("[data-field]").append(place);
  tell(id, problem);
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-errormessage", id);
  control.focus();
}
