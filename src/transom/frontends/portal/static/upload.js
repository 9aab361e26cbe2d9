/* Each chosen file is a row that sends itself. Without this the form sends them. */

const AGAIN = ["retry", "drop"], AT_ONCE = 3, HASHED = 64e6, WINDOW = 5000, LOOK = 250;
const $ = (id) => document.getElementById(id);
const form = $("upload"), text = form.dataset, input = form.elements.files;
let waiting = [], moving = 0, token = form.elements.form_token.value;

const fill = (words, values) => words.replace(/\{(\w+)\}/g, (all, key) => values[key] ?? all);
const hex = (bytes) => [...new Uint8Array(bytes)].map((each) => each.toString(16).padStart(2, "0")).join("");
const number = (value, unit, digits) => new Intl.NumberFormat(document.documentElement.lang,
  { style: "unit", unit, minimumSignificantDigits: digits, maximumSignificantDigits: 3 }).format(value);
const size = (bytes) => {
  let at = 0;
  for (; bytes >= 999.5 && at < 3; at += 1) bytes /= 1000;
  return number(bytes, ["byte", "kilobyte", "megabyte", "gigabyte"][at], at ? 3 : 1);
};
const time = (left) =>
  number(Math.ceil(left < 60 ? left : left / 60), left < 60 ? "second" : "minute", 1);
const say = (words, row) => { $("live").textContent = fill(words, row); };

// --- a row

const tell = (row, words, ...buttons) => {
  const had = row.item.contains(document.activeElement);
  row.told.textContent = words;
  row.bar.hidden = true;
  row.hint.hidden = !buttons.includes("rename");
  for (const each of row.buttons) each.hidden = !buttons.includes(each.dataset.do);
  if (had && !document.activeElement.checkVisibility()) row.item.focus();
};
const name = (row, given) => {
  row.name = given;
  row.item.querySelectorAll("[data-name]").forEach((each) => { each.textContent = given; });
};
const fresh = () => hex(crypto.getRandomValues(new Uint8Array(16)));

const ILLEGAL = /[^A-Za-z0-9:!@,&\-='_.]/gu;
const visible = (one) => {
  const code = `U+${one.codePointAt().toString(16).toUpperCase().padStart(4, "0")}`;
  if (/[!-~]/.test(one)) return `"${one}"`;
  return /[\p{C}\p{Z}]/u.test(one) ? code : `"${one}" (${code})`;
};
const problem = (given) => {
  const { length } = given, bad = given.match(ILLEGAL)?.[0];
  if (bad) return fill(text.character, { character: visible(bad) });
  if (given.endsWith(".")) return text.dot;
  return length > text.longest ? fill(text.long, { length, limit: text.longest }) : "";
};
const proposed = (given) => {
  const kept = given.replace(ILLEGAL, "").replace(/\.+$/, "");
  const end = /(\.[^.]{1,20})?$/.exec(kept)[0];
  return kept.slice(0, Math.min(kept.length, text.longest) - end.length) + end;
};

const check = (row, isMeant) => {
  const wrong = problem(row.name);
  if (wrong) {
    row.better = proposed(row.name);
    row.hint.textContent = fill(text.suggested, { name: row.better });
    tell(row, wrong, row.better ? "rename" : "", "drop");
  } else if (row.file.size > text.most) {
    tell(row, fill(text.large, { size: size(row.file.size), limit: size(text.most) }), "drop");
  } else if (!row.file.size && !isMeant) {
    tell(row, text.empty, "anyway", "drop");
  } else {
    tell(row, text.waiting, "cancel");
    waiting.push(row);
    next();
  }
};

const acts = {
  rename: (row) => { name(row, row.better); check(row); },
  anyway: (row) => check(row, true),
  drop: (row) => { row.item.remove(); input.focus(); },
  retry: async (row) => {
    tell(row, text.waiting);
    // The session, and so the token, may be another.
    const page = await fetch(location.href).then((answer) => answer.text()).catch(() => "");
    const found = /name="form_token" value="([^"]+)"/.exec(page.split('id="upload"')[1]);
    token = found?.[1] ?? token;
    if (found || !page) check(row, true);
    else tell(row, text.ended, "enter", ...AGAIN);
  },
  cancel: (row) => {
    waiting = waiting.filter((each) => each !== row);
    row.isCancelled = true;
    row.request?.abort();
    tell(row, text.cancelled, ...AGAIN);
  },
};

const add = (file, isFolder) => {
  const item = $("upload-row").content.firstElementChild.cloneNode(true);
  const [told, bar, hint] = ["told", "bar", "hint"].map((each) => item.querySelector(`[data-${each}]`));
  const row = { item, file, told, bar, hint, key: fresh(), buttons: item.querySelectorAll("[data-do]") };
  for (const each of row.buttons) each.onclick = () => acts[each.dataset.do]?.(row);
  name(row, file.name);
  $("uploads").append(item);
  if (isFolder) tell(row, text.unreadable, "drop");
  else check(row);
};

// --- sending

const next = async () => {
  if (moving >= AT_ONCE || !waiting.length) return;
  moving += 1;
  const row = waiting.shift();
  await send(row).catch(() => tell(row, text.unreadable, ...AGAIN));
  moving -= 1;
  next();
};

const request = (row, method) => {
  const made = new XMLHttpRequest();
  made.open(method, `${text.to}/${encodeURIComponent(row.name)}`);
  made.setRequestHeader("X-Form-Token", token);
  made.setRequestHeader("Idempotency-Key", row.key);
  return made;
};

const send = async (row) => {
  const { file } = row, total = size(file.size), seen = [];
  row.isCancelled = false;
  tell(row, text.checking, "cancel");
  const digest = file.size <= HASHED && crypto.subtle
    ? hex(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())) : "";
  if (row.isCancelled) return;
  const put = row.request = request(row, "PUT");
  if (digest) put.setRequestHeader("X-File-SHA256", digest);
  let sent = 0, isWhole = false;
  put.upload.onprogress = ({ loaded }) => {
    const now = performance.now();
    sent = Math.min(loaded, file.size);
    if (now - (seen.at(-1)?.[0] ?? 0) < LOOK) return;
    seen.push([now, sent]);
    while (now - seen[0][0] > WINDOW) seen.shift();
    const speed = ((sent - seen[0][1]) * 1000) / (now - seen[0][0]);
    row.bar.value = sent / (file.size || 1);
    const left = time((file.size - sent) / speed);
    if (speed > 0) row.told.textContent = fill(text.sending, { done: size(sent), total, speed: size(speed), left });
  };
  put.upload.onload = () => { isWhole = true; row.told.textContent = text.checking; };
  row.bar.value = 0;
  row.bar.hidden = false;
  say(text.started, row);
  put.send(file);
  await new Promise((done) => { put.onloadend = done; });
  row.request = null;
  if (row.isCancelled) giveUp(row);
  else if (put.status) answered(row, put);
  else {
    tell(row, fill(isWhole ? text.unknown : text.cut, { status: 0, done: size(sent), total }), ...AGAIN);
    say(text.failed, row);
  }
};

const stateOf = (answer) => answer.getResponseHeader("X-Upload");
const answered = (row, answer) => {
  const state = stateOf(answer), isTaken = state && state !== "refused";
  if (state) {
    tell(row, "", ...(isTaken ? [] : AGAIN));
    row.told.innerHTML = answer.responseText;
  } else if (answer.status === 401) tell(row, text.ended, "enter", ...AGAIN);
  else tell(row, fill(answer.status < 500 ? text.refused : text.unknown, answer), ...AGAIN);
  say(isTaken ? text.received : text.failed, row);
};

const giveUp = (row) => {
  // Perhaps it was received at that very moment.
  const given = request(row, "DELETE");
  row.key = fresh();
  given.onload = () => { if (stateOf(given) === "received") answered(row, given); };
  given.send();
};

// --- choosing

form.querySelector("[data-plain]").remove();
form.querySelector(".drop-hint").hidden = false;
form.querySelector("[for=files]").className = "button button-primary";
input.classList.add("vh");
input.onchange = () => {
  for (const file of input.files) add(file);
  input.value = "";
};
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    form.querySelector(".drop").toggleAttribute("data-over", kind === "dragover");
    if (kind !== "drop") return;
    for (const each of [...event.dataTransfer.items]) {
      if (each.kind === "file") add(each.getAsFile(), each.webkitGetAsEntry?.()?.isDirectory);
    }
  });
}
addEventListener("beforeunload", (event) => { if (moving) event.preventDefault(); });
