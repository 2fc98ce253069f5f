// Replaces the parts of a page that have changed, and leaves the others, with whatever the viewer
// has opened in them, alone. All HTML comes from the server, where every text was escaped.
"use strict";

const root = document.querySelector(".qs");
const shown = {};
let source = null;
let waiting = null;
let wanted = null; // the decision whose row gets the focus once it is there

function part(name) {
  return root.querySelector(`[data-part="${name}"]`);
}

function keyed(name, attribute) {
  return [...part(name).querySelectorAll(`[${attribute}]`)];
}

// Where the focus is, so that it can be found again in what replaces this.
function selector(focused) {
  if (focused.type === "radio") return `input[value="${CSS.escape(focused.value)}"]`;
  if (focused.dataset.decision) return `[data-decision="${CSS.escape(focused.dataset.decision)}"]`;
  const row = focused.closest("[data-id]");
  if (row) return `[data-id="${CSS.escape(row.dataset.id)}"] > summary`;
  return focused.getAttribute("href") && `[href="${CSS.escape(focused.getAttribute("href"))}"]`;
}

function replace(name, html) {
  const focused = document.activeElement;
  const place = part(name).contains(focused) ? selector(focused) : null;
  const known = new Map(keyed(name, "data-id").map((row) => [row.dataset.id, row.open]));
  part(name).innerHTML = html;
  for (const row of keyed(name, "data-id")) row.open = known.get(row.dataset.id) ?? row.open;
  if (place) part(name).querySelector(place)?.focus({ preventScroll: true });
}

function show(parts) {
  for (const [name, html] of Object.entries(parts)) {
    if (shown[name] !== html) replace(name, html);
    shown[name] = html;
  }
  if (wanted) open(wanted);
}

function open(decision) {
  const row = root.querySelector(`[data-id="${CSS.escape(decision)}"]`);
  if (!row) return false;
  wanted = null;
  row.open = true;
  row.querySelector("summary").focus();
  return true;
}

function connected(state) {
  const live = root.querySelector(".live");
  if (live) live.textContent = live.dataset[state];
}

function listen() {
  if (source) source.close();
  const query = new URLSearchParams(location.search);
  query.set("zone", Intl.DateTimeFormat().resolvedOptions().timeZone);
  query.set("width", Math.floor(part("chart").clientWidth - 2));
  source = new EventSource(`${location.pathname.replace(/\/$/, "")}/events?${query}`);
  source.onmessage = (event) => {
    const edition = JSON.parse(event.data);
    document.documentElement.dataset.edition = event.lastEventId;
    if (!edition.live) source.close();
    // A hidden tab only remembers the newest, and shows it when somebody looks again.
    if (document.hidden) waiting = edition.parts;
    else show(edition.parts);
  };
  source.onopen = () => connected("live");
  source.onerror = () => connected("lost");
}

function go(address) {
  history.replaceState(null, "", address);
  listen();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && waiting) show(waiting);
  waiting = null;
});

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest(".filters a, .pager a, a.pin");
  if (!link) return;
  event.preventDefault();
  const decision = link.dataset.decision;
  if (decision && open(decision)) return;
  wanted = decision ?? null; // its row is on another page
  go(link.getAttribute("href"));
});

let resized = 0;
window.addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(listen, 200);
});

listen();
