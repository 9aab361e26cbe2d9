/* Small comforts. Every page works without them. */
"use strict";

(() => {
  const say = (text) => {
    const live = document.getElementById("live");
    if (live) live.textContent = text;
  };

  // An error summary, or what the page asks first, gets the focus.
  document.querySelector("[data-focus]")?.focus();

  // "Show" beside a password.
  for (const button of document.querySelectorAll("button[data-show]")) {
    const field = document.getElementById(button.dataset.show);
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = field.type === "text";
      field.type = shown ? "password" : "text";
      button.textContent = shown ? "Show" : "Hide";
      say(shown ? "Password hidden" : "Password shown");
    });
    field.form.addEventListener("submit", () => { field.type = "password"; });
  }

  // How strong a new password is, in words; the server decides.
  for (const told of document.querySelectorAll("[data-strength]")) {
    const field = document.getElementById(told.dataset.strength);
    field.addEventListener("input", () => {
      const length = [...field.value].length;
      const kinds = new Set([...field.value]).size;
      const missing = 12 - length;
      if (!length) told.textContent = "";
      else if (missing > 0) told.textContent = `${missing} more character${missing > 1 ? "s" : ""} needed`;
      else if (kinds < 6) told.textContent = "Weak: few different characters";
      else if (length < 16) told.textContent = "Good. Longer is stronger";
      else told.textContent = "Strong";
    });
  }

  // "Copy" and "Print".
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      say("Copied");
    });
  }
  for (const button of document.querySelectorAll("button[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  // A second press of a button that already sends does nothing.
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      window.addEventListener("pageshow", () => delete form.dataset.sent, { once: true });
    });
  }
})();
