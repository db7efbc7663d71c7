// Keeps the parts of a page that are marked data-live="NAME" as the server says they are now, counts times since, and
// says whether the connection is there. Without it, a reload shows the same.
"use strict";
(() => {
  const dot = document.getElementById("live");
  const parts = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.dataset.live, part]));
  let lastSeen = new Date();

  const count = () => {
    const now = Date.now() / 1000;
    for (const time of document.querySelectorAll("[data-since]")) {
      const secs = Math.max(0, Math.floor(now - Number(time.dataset.since)));
      const text = secs < 60 ? `${secs} s` : secs < 3600 ? `${Math.floor(secs / 60)} min` : `${Math.floor(secs / 3600)} h`;
      if (time.textContent !== text) time.textContent = text;
      time.title = new Date(Number(time.dataset.since) * 1000).toLocaleString();
    }
  };

  const say = (live) => {
    dot.className = live ? "live on" : "live off";
    const text = live ? "● live" : `○ reconnecting…, last seen ${lastSeen.toLocaleTimeString()}`;
    if (dot.textContent !== text) dot.textContent = text;
  };

  // Only what differs is touched, so that a screen reader and a finger stay where they are.
  const patch = (part, html) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const old = new Map([...part.querySelectorAll("[id]")].map((one) => [one.id, one]));
    for (const one of fresh.content.querySelectorAll("[id]")) {
      const before = old.get(one.id);
      if (before && before.isEqualNode(one)) one.replaceWith(before);
    }
    part.replaceChildren(...fresh.content.childNodes);
    count();
  };

  const source = new EventSource("/events");
  source.addEventListener("open", () => say(true));
  source.addEventListener("error", () => {
    say(false);
    // A browser gives up on its own when it was answered something else, such as the login page.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  });
  for (const [name, part] of parts) {
    source.addEventListener(name, (event) => {
      lastSeen = new Date();
      patch(part, event.data);
    });
  }
  setInterval(count, 1000);
  count();
})();
