// The one dialog that asks before anything is done, and says what became of it.

import { byId } from "./dom.js";

const dialog = byId("ask");
const yes = byId("ask-yes");
const no = byId("ask-no");
const problem = dialog.querySelector(".problem");
let answering = null;

/**
 * Ask, and do it when a person says yes. `act()` may throw: its message is shown and the dialog stays.
 * Gives what `act` gave, or null when the person said no. `isStop` marks what cannot be undone.
 */
export function ask({ title, body, action, act, isStop = false, focus = null }) {
  byId("ask-title").textContent = title;
  byId("ask-body").replaceChildren(...body.flat(Infinity).filter(Boolean));
  yes.textContent = action;
  yes.className = isStop ? "stop" : "go";
  yes.disabled = false;
  problem.textContent = "";
  return new Promise((resolve) => {
    answering = { act, resolve, action };
    dialog.showModal();
    dialog.scrollTop = 0;
    // Enter must not decide by accident
    (focus ?? no).focus({ preventScroll: true });
  });
}

/** Change the words of the button, and whether it can be pressed. */
export function allow(isAllowed, action = answering?.action) {
  yes.disabled = !isAllowed;
  if (action) yes.textContent = action;
}

export const isAsking = () => dialog.open;

/** Close the dialog as if the person had said no. */
export function stopAsking() {
  if (dialog.open) dialog.close();
}

function end(found) {
  const { resolve } = answering ?? {};
  answering = null;
  if (dialog.open) dialog.close();
  resolve?.(found);
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (yes.disabled || !answering) return;
  const { act } = answering;
  const words = yes.textContent;
  yes.disabled = no.disabled = true;
  yes.textContent = "Working…";
  problem.textContent = "";
  try {
    const found = await act();
    if (found !== undefined) end(found);
  } catch (error) {
    problem.textContent = error.isLost
      ? `${error.message} It is not known whether this was done: close this and look at it again.`
      : error.message;
  } finally {
    yes.disabled = no.disabled = false;
    yes.textContent = words;
  }
});
no.addEventListener("click", () => end(null));
// it comes later, when the next question may be open already
dialog.addEventListener("close", () => dialog.open || end(null));
// while a request is on its way its answer is worth waiting for
dialog.addEventListener("cancel", (event) => {
  if (no.disabled) event.preventDefault();
});
