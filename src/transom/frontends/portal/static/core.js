/* Small comforts; every page works without. */
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const say = (text) => { if (byId("live")) byId("live").textContent = text; };

  const ready = (root) => {
    const each = (what, act) => root.querySelectorAll(what).forEach(act);
    // Buttons that need a script.
    const button = (what, press) => each(`button[data-${what}]`, (found) => {
      found.hidden = false;
      found.addEventListener("click", () => press(found));
    });
    button("print", () => print());
    button("copy", async ({ dataset }) => {
      await navigator.clipboard.writeText(byId(dataset.copy).textContent.trim());
      say(document.body.dataset.copied);
    });
    button("show", (found) => {
      const told = found.dataset, field = byId(told.show);
      const shown = field.type === "text";
      field.type = shown ? "password" : "text";
      [found.innerHTML, told.hide] = [told.hide, found.innerHTML];
      say(shown ? told.hidden : told.shown);
      field.form.addEventListener("submit", () => { field.type = "password"; });
    });
    // A second press of a button that already sends does nothing.
    each("form[method=post]", (form) => form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      addEventListener("pageshow", () => delete form.dataset.sent, { once: true });
    }));
    // A button to be pressed in a while gives way to how long that is.
    each("[data-wait]", (form) => {
      const told = document.createElement("p");
      let left = form.dataset.wait;
      const count = () => {
        form.hidden = left > 0;
        told.textContent = form.dataset.until.replace("SECONDS", left);
        if (left > 0) setTimeout(count, 1000 * (left % 10 || 10));
        else told.remove();
        left -= left % 10 || 10;
      };
      form.after(told);
      count();
    });
  };
  ready(document);
  document.addEventListener("swapped", (event) => ready(event.target));
  // What the page asks first gets the focus.
  document.querySelector("[data-focus]")?.focus();

  // Two minutes before the session ends. Other pages may have made it longer: the server knows.
  const dialog = byId("session-end");
  if (!dialog) return;
  const part = (what) => dialog.querySelector(what);
  const stay = part("[data-stay]"), spoken = part("[role]");
  const last = [part("h2").textContent, part("p").textContent];
  let timer, away, soon;
  const later = (seconds) => { clearTimeout(timer); timer = setTimeout(ask, seconds * 1000); };
  const open = (title, more) => {
    part("h2").textContent = title;
    part("p").textContent = more;
    if (dialog.open || away) return;
    dialog.showModal();
    spoken.textContent = title;
  };
  const show = ({ left, says, more, stays, token }) => {
    stay.form_token.value = token;
    if (left > 121) { dialog.close(); away = soon = false; return later(left - 120); }
    stay.hidden = !stays;
    open(says, more);
    if (left < 32 && !soon) {
      soon = true;
      (dialog.open ? spoken : byId("live")).textContent = dialog.dataset.soon;
    }
    later(Math.min(15, left > 31 ? left - 30 : left + 1));
  };
  const ended = () => {
    away = false;
    dialog.querySelectorAll("form, a").forEach((found) => { found.hidden = found.matches("form"); });
    open(...last);
  };
  const ask = async (options) => {
    later(15);
    const answer = await fetch("/live/session", options).catch(() => ({}));
    if (answer.ok) show(await answer.json());
    else if (answer.status === 401) { ended(); clearTimeout(timer); }
  };
  stay.addEventListener("submit", (event) => {
    event.preventDefault();
    delete stay.dataset.sent;
    ask({ method: "POST", body: new URLSearchParams(new FormData(stay)) });
  });
  dialog.addEventListener("cancel", () => { away = true; });
  document.addEventListener("session", () => ask());
  later(Math.max(1, dialog.dataset.left - 120));
})();
