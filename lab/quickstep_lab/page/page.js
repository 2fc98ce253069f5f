// Replaces the parts of the page that have changed, and leaves the others, with whatever the viewer
// has opened in them, alone. All HTML comes from the server, where every text was escaped.
"use strict";

const root = document.querySelector(".qs");
const shown = {};
let source = null;
let waiting = null;

function part(name) {
  return root.querySelector(`[data-part="${name}"]`);
}

function keyed(name, attribute) {
  return [...part(name).querySelectorAll(`[${attribute}]`)];
}

function replace(name, html) {
  const focused = document.activeElement;
  const row = focused && focused.closest("[data-id]");
  const place = part(name).contains(focused)
    ? row
      ? `[data-id="${CSS.escape(row.dataset.id)}"] > summary`
      : focused.getAttribute("href") && `[href="${CSS.escape(focused.getAttribute("href"))}"]`
    : null;
  const open = new Set(keyed(name, "open").map((details) => details.dataset.id));
  part(name).innerHTML = html;
  for (const details of keyed(name, "data-id")) details.open = open.has(details.dataset.id);
  if (place) part(name).querySelector(place)?.focus({ preventScroll: true });
}

function show(parts) {
  for (const [name, html] of Object.entries(parts)) {
    if (shown[name] !== html) replace(name, html);
    shown[name] = html;
  }
}

function connected(text) {
  const live = root.querySelector(".live");
  if (live) live.textContent = text;
}

function listen() {
  if (source) source.close();
  const query = new URLSearchParams(location.search);
  query.set("zone", Intl.DateTimeFormat().resolvedOptions().timeZone);
  query.set("width", Math.floor(part("chart").clientWidth - 2));
  source = new EventSource(`/events?${query}`);
  source.onmessage = (event) => {
    const edition = JSON.parse(event.data);
    document.documentElement.dataset.edition = event.lastEventId;
    if (!edition.live) source.close();
    // A hidden tab only remembers the newest, and shows it when somebody looks again.
    if (document.hidden) waiting = edition.parts;
    else show(edition.parts);
  };
  source.onopen = () => connected("● live ");
  source.onerror = () => connected("○ not connected ");
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && waiting) show(waiting);
  waiting = null;
});

document.addEventListener("click", (event) => {
  const link = event.target.closest(".filters a, .pager a");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    listen();
    return;
  }
  const mark = event.target.closest("[data-decision]");
  const row = mark && root.querySelector(`[data-id="${CSS.escape(mark.dataset.decision)}"]`);
  if (row) {
    row.open = true;
    row.querySelector("summary").focus();
  }
});

let resized = 0;
window.addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(listen, 200);
});

listen();
