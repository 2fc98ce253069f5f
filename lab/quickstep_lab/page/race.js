// Replaces the parts of the race that have changed. All HTML comes from the server, where every text
// was escaped.
"use strict";

const root = document.querySelector(".qs");
const shown = {};
let source = null;

function part(name) {
  return root.querySelector(`[data-part="${name}"]`);
}

function listen() {
  if (source) source.close();
  const width = Math.floor(part("chart").clientWidth - 2);
  source = new EventSource(`/race/events?width=${width}`);
  source.onmessage = (event) => {
    const edition = JSON.parse(event.data);
    document.documentElement.dataset.edition = event.lastEventId;
    if (!edition.live) source.close();
    for (const [name, html] of Object.entries(edition.parts)) {
      if (shown[name] !== html) part(name).innerHTML = html;
      shown[name] = html;
    }
  };
}

let resized = 0;
window.addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(listen, 200);
});

listen();
