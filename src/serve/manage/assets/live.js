// Keeps the parts of a page that are marked data-live="NAME" as the server says they are now, counts times since, shows
// times in the viewer's zone, and says whether the connection is there. Without it, a reload shows the same.
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

  const local = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!time.dateTime || Number.isNaN(at.getTime())) continue;
      const text = at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
      if (time.textContent !== text) time.textContent = text;
      time.title = at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
    }
  };

  const say = (live) => {
    dot.className = live ? "live on" : "live off";
    const text = live ? "● live" : `○ reconnecting…, last seen ${lastSeen.toLocaleTimeString()}`;
    if (dot.textContent !== text) dot.textContent = text;
  };

  // Only what differs is touched, so that a screen reader and a finger stay where they are. What the server sent is kept
  // beside each part: times that are counted here are no difference.
  const was = new WeakMap();
  const patch = (part, html) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const held = part.contains(document.activeElement) ? document.activeElement : null;
    const place = held && held.closest("[id]") ? held.closest("[id]").id : "";
    const link = held ? held.getAttribute("href") : null;
    const old = new Map([...part.querySelectorAll("[id]")].map((one) => [one.id, one]));
    for (const one of fresh.content.querySelectorAll("[id]")) {
      const before = old.get(one.id);
      const sent = one.outerHTML;
      if (before && was.get(before) === sent) one.replaceWith(before);
      else was.set(one, sent);
    }
    part.replaceChildren(...fresh.content.childNodes);
    if (held && document.activeElement !== held) {
      const within = place ? document.getElementById(place) : part;
      const again = [...(within || part).querySelectorAll("[href]")].find((one) => one.getAttribute("href") === link);
      if (held.isConnected) held.focus({ preventScroll: true });
      else if (again) again.focus({ preventScroll: true });
    }
    count();
    local();
  };

  // A page whose parts are not painted for everybody is fetched again when something has changed: at once, but not more
  // than once a second, and not while somebody is about to use something of it.
  const own = parts.get("page");
  let due = false;
  let busy = false;
  const refetch = async () => {
    if (!due || busy || !own || own.contains(document.activeElement) || own.querySelector(":checked")) return;
    due = false;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(own.id);
      if (answer.ok && fresh && fresh.innerHTML !== own.dataset.last) {
        own.dataset.last = fresh.innerHTML;
        patch(own, fresh.innerHTML);
      }
    } catch {
      due = true;
    }
    busy = false;
  };
  if (own) {
    setInterval(refetch, 1000);
    // What the wall does not show changes, too.
    setInterval(() => { due = true; }, 10000);
  }

  const painted = [...parts.keys()].find((name) => name !== "page");
  const shown = painted ? parts.get(painted) : null;
  // A browser has six connections for a server, and a page that one has left or does not see holds its own: six of those,
  // and nothing loads any more. So only a page that is seen listens.
  let source = null;
  const listen = () => {
    if (source || document.hidden) return;
    source = new EventSource(`/events?page=${encodeURIComponent(painted || "changes")}`);
    source.addEventListener("open", () => { lastSeen = new Date(); say(true); });
    source.addEventListener("error", () => {
      say(false);
      // A browser gives up on its own when it was answered something else, such as the login page.
      if (source && source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
    });
    // The first event after a connection is the page as it is: what was missed meanwhile is in it.
    source.addEventListener("page", (event) => {
      lastSeen = new Date();
      due = true;
      if (shown) patch(shown, event.data);
    });
    // Nothing may change for hours; that the server is there is heard all the same.
    source.addEventListener("alive", () => { lastSeen = new Date(); });
  };
  const rest = () => {
    if (source) source.close();
    source = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
  addEventListener("pagehide", rest);
  addEventListener("pageshow", listen);
  listen();
  addEventListener("offline", () => say(false));

  const screen = document.getElementById("screen");
  if (screen && document.documentElement.requestFullscreen) {
    screen.addEventListener("click", (event) => {
      event.preventDefault();
      document.documentElement.classList.add("screen");
      document.documentElement.requestFullscreen().catch(() => location.assign(screen.href));
    });
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement) document.documentElement.classList.remove("screen");
    });
  }
  setInterval(count, 1000);
  count();
  local();
})();
