/* Shows on an open page what changes. */
"use strict";

(() => {
  const words = document.querySelector("meta[name=live]").dataset;
  const SOON = 400, AGAIN = 15000, files = {}, stale = new Set();
  let at = words.since, source, timer, hiding, renewing;

  const all = (what, under = document) => [...under.querySelectorAll(what)];
  const ask = (where) => fetch(where, { headers: { "X-By-Itself": "yes" } }).catch(() => ({}));
  const show = (one, text) => { one.textContent = text; one.hidden = false; };
  const sign = (text) => all("[data-live-word]").forEach((one) => show(one, text));

  // A fresh part takes the old one's place, unless somebody types there; the focus stays.
  const swap = (old, fresh) => {
    const held = document.activeElement, inside = old.contains(held);
    if (!fresh || (inside && held.matches("input, select"))) return;
    old.replaceWith(fresh);
    fresh.dispatchEvent(new Event("swapped", { bubbles: true }));
    if (inside) all("a, button", fresh).find((one) => one.textContent === held.textContent)?.focus();
  };
  const renew = async () => {
    const parts = [...stale], answer = await ask(location);
    renewing = stale.clear();
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) all(part).forEach((old) => swap(old, page.querySelector(part)));
  };
  const touch = (id) => {
    for (const one of all("[data-refresh-on], [data-state-of]")) {
      const { refreshOn, stateOf } = one.dataset;
      if (!id || ["*", id].includes(refreshOn)) stale.add(stateOf ? `[data-state-of="${stateOf}"]` : `#${one.id}`);
    }
    if (stale.size) renewing ||= setTimeout(renew, SOON + Math.random() * (id ? SOON : 5000));
  };

  const stop = () => {
    source?.close();
    clearTimeout(timer);
    source = null;
    sign(words.paused);
  };
  const on = {
    hello() { clearTimeout(timer); sign(words.live); },
    state({ id, name, state, tag, moment, stamp }) {
      let word;
      for (const one of all(`[data-state-of="${id}"]`)) {
        const old = one.querySelector(".tag").dataset.state;
        one.innerHTML = `${tag} ${"brief" in one.dataset ? stamp : moment}`;
        if (old !== state) word = one.querySelector(".tag").textContent;
      }
      if (word) document.getElementById("live").textContent = `${name}: ${word}`;
      touch(id);
    },
    news({ place, files: came }) {
      const known = files[place] ??= new Set(), texts = JSON.parse(words.news);
      came.forEach((file) => known.add(file));
      for (const one of all(`[data-news-of="${place}"]`)) {
        show(one, "");
        one.innerHTML = `<a href=""></a>`;
        one.firstChild.textContent = texts[known.size - 1] ?? texts.at(-1);
      }
      touch("*");
    },
    refresh: () => touch(),
    end({ why }) {
      if (why !== "session") return poll();
      stop();
      timer = setTimeout(open, SOON);
    },
  };

  // Where no stream comes, the page asks.
  const poll = async () => {
    stop();
    timer = setTimeout(poll, AGAIN);
    const answer = await ask(`/live/since?since=${at}`);
    if (answer.status === 401) { stop(); document.dispatchEvent(new Event("session")); }
    if (!answer.ok) return;
    sign(words.live);
    const { id, events } = await answer.json();
    at = id;
    for (const [kind, facts] of events) on[kind](facts);
  };
  const open = () => {
    stop();
    timer = setTimeout(poll, AGAIN);
    source = new EventSource(`/live?since=${at}`);
    source.onerror = () => {
      sign(words.paused);
      if (source.readyState > 1) poll();
    };
    for (const kind in on) source.addEventListener(kind, ({ data, lastEventId }) => {
      at = lastEventId || at;
      on[kind](JSON.parse(data));
    });
  };
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(stop, 240000);
    else if (!source) open();
  });
  open();
})();
