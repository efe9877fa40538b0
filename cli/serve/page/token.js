// Asks for the token, once, however many requests wait for it.

import { beginSession, tell } from "./api.js";

let asking = null;

export function askToken() {
  asking ??= open().finally(() => (asking = null));
  return asking;
}

function open() {
  const dialog = document.getElementById("token");
  const form = document.getElementById("token-form");
  const text = document.getElementById("token-text");
  tell("token-problem", null);
  dialog.showModal();
  text.focus();
  return new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault(); // there is nothing behind it
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        await beginSession(text.value.trim());
      } catch (problem) {
        tell("token-problem", problem);
        text.select();
        return;
      }
      text.value = "";
      dialog.close();
      resolve();
    };
  });
}
