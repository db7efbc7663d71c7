// Sends an image in pieces: shows rate and time left, goes on by itself when the network comes back, and after a reload
// once the same file is chosen again. Without it the form sends the file in one go.
"use strict";
(() => {
  const form = document.getElementById("upload");
  if (!form) return;
  const PIECE = 16 * 1024 * 1024;
  const MEMORY = "hatchery-upload";
  const key = form.elements.form_key.value;
  const chosen = form.elements.image;
  const button = form.querySelector("button.main");

  const make = (tag, id, text) => {
    const one = document.createElement(tag);
    one.id = id;
    one.textContent = text;
    return one;
  };
  const bar = make("progress", "upload-progress", "");
  const said = make("p", "upload-say", "");
  const stop = make("button", "upload-stop", "End the upload");
  bar.max = 1;
  bar.hidden = stop.hidden = true;
  bar.setAttribute("aria-label", "How far the upload is");
  said.setAttribute("role", "status");
  stop.type = "button";
  form.append(bar, said, stop);

  const size = (bytes) => {
    if (bytes < 1024 * 1024) return `${Math.ceil(bytes / 1024)} KiB`;
    return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MiB` : `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
  };
  const span = (secs) => {
    if (secs < 60) return `${Math.ceil(secs)} s`;
    return secs < 3600 ? `${Math.ceil(secs / 60)} min` : `${Math.floor(secs / 3600)} h ${Math.ceil((secs % 3600) / 60)} min`;
  };
  const say = (text, bad) => {
    said.textContent = text;
    said.className = bad ? "wrong" : "";
  };

  let current = null;
  const remember = () => {
    if (current) localStorage.setItem(MEMORY, JSON.stringify(current));
    else localStorage.removeItem(MEMORY);
    stop.hidden = !current;
  };

  class Refused extends Error {}

  const ask = async (method, path, body) => {
    const headers = { "x-form-key": key };
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    const value = await answer.json();
    if (answer.status >= 400 && answer.status !== 503) {
      const refused = new Refused(value.error || `The server answered ${answer.status}`);
      refused.status = answer.status;
      throw refused;
    }
    if (!answer.ok) throw new Error(value.error);
    return value;
  };

  // A piece by XMLHttpRequest: fetch does not say how far it is.
  const send = (id, offset, piece, hear) => new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("PATCH", `/api/v1/uploads/${id}`);
    request.setRequestHeader("x-form-key", key);
    request.setRequestHeader("Upload-Offset", String(offset));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => hear(event.loaded));
    request.addEventListener("error", () => failed(new Error("the connection broke off")));
    request.addEventListener("load", () => {
      let value = {};
      try { value = JSON.parse(request.responseText); } catch { /* a proxy's words */ }
      if (request.status < 300) return done(value);
      const refused = new Refused(value.error || `The server answered ${request.status}`);
      refused.status = request.status;
      failed(request.status === 409 || request.status === 503 ? new Error(refused.message) : refused);
    });
    request.send(piece);
  });

  const pause = (secs) => new Promise((done) => { setTimeout(done, secs * 1000); });

  const recognised = (image) => {
    const packed = image.compression === "none" ? "not compressed" : `compressed by ${image.compression}`;
    const kind = { disk: "a disk", iso: "an ISO file" }[image.kind] || "without a partition table";
    const parts = image.kind === "disk" ? ` with ${image.partitions} partition${image.partitions === 1 ? "" : "s"}` : "";
    const state = image.active ? " It is active." : "";
    const not = image.not_activated ? ` It was not activated: ${image.not_activated}.` : "";
    const warnings = image.warnings.length ? ` Warning: ${image.warnings.join("; ")}.` : "";
    return `${image.file} is an image of ${image.product_type}: ${kind}${parts}, ${packed}, `
      + `${size(image.size)}, ${size(image.raw_size)} on the drive.${state}${not}${warnings}`;
  };

  const showList = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("list");
    if (answer.ok && fresh) document.getElementById("list").replaceChildren(...fresh.childNodes);
  };

  const end = (text, bad) => {
    current = null;
    remember();
    bar.hidden = true;
    button.disabled = false;
    say(text, bad);
  };

  const run = async (file) => {
    const mine = current;
    button.disabled = true;
    bar.hidden = false;
    let tries = 0;
    let rate = 0;
    let state = null;
    while (current === mine) {
      try {
        state = state || await ask("GET", `/api/v1/uploads/${mine.id}`);
        if (state.state === "done") {
          end(recognised(state.image), state.image.warnings.length > 0);
          form.reset();
          await showList();
          return;
        }
        if (state.state === "failed") return end(state.error, true);
        if (state.state === "checking") {
          bar.value = state.checked / state.size;
          say(`All of it is here and is being checked: ${size(state.checked)} of ${size(state.size)}`);
          state = null;
          await pause(1);
          continue;
        }
        const offset = state.offset;
        const began = performance.now();
        const hear = (loaded) => {
          const secs = (performance.now() - began) / 1000;
          const now = secs > 0.2 ? loaded / secs : rate;
          const smooth = rate ? rate * 0.7 + now * 0.3 : now;
          const sent = Math.min(offset + loaded, file.size);
          const left = smooth ? `, ${(smooth / 1e6).toFixed(1)} MB/s, ${span((file.size - sent) / smooth)} left` : "";
          bar.value = sent / file.size;
          say(`${size(sent)} of ${size(file.size)}${left}`);
        };
        hear(0);
        const piece = file.slice(offset, offset + PIECE);
        state = await send(mine.id, offset, piece, hear);
        const secs = (performance.now() - began) / 1000;
        rate = rate ? rate * 0.7 + (piece.size / secs) * 0.3 : piece.size / secs;
        tries = 0;
      } catch (error) {
        if (current !== mine) return;
        if (error instanceof Refused) return end(error.message, true);
        tries += 1;
        say(`Broke off (${error.message}); goes on in a moment`, true);
        state = null;
        await pause(Math.min(tries, 10));
      }
    }
  };

  const same = (file) => current && file.name === current.name && file.size === current.size;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = chosen.files[0];
    if (!file) return;
    if (same(file)) return run(file);
    try {
      const fields = form.elements;
      const state = await ask("POST", "/api/v1/uploads", {
        file: file.name,
        size: file.size,
        product_type: fields.product_type.value,
        version: fields.version.value || null,
        description: fields.description.value || null,
        activate: fields.activate.checked,
      });
      current = { id: state.id, name: file.name, size: file.size };
      remember();
      await run(file);
    } catch (error) {
      end(error.message, true);
    }
  });

  chosen.addEventListener("change", () => {
    const file = chosen.files[0];
    if (!file || button.disabled) return;
    if (same(file)) run(file);
    else say(`${file.name}, ${size(file.size)}. Say what it is an image of, then upload it.`);
  });

  stop.addEventListener("click", async () => {
    if (!current) return;
    const { id, name } = current;
    end(`The upload of ${name} is ended.`);
    try { await ask("DELETE", `/api/v1/uploads/${id}`); } catch (error) { say(error.message, true); }
  });

  // A file dropped anywhere on the page.
  const carries = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  for (const gone of ["dragleave", "drop"]) {
    document.addEventListener(gone, (event) => {
      if (gone === "drop" || !event.relatedTarget) document.body.classList.remove("dropping");
    });
  }
  document.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    if (button.disabled || !event.dataTransfer.files.length) return;
    chosen.files = event.dataTransfer.files;
    chosen.dispatchEvent(new Event("change"));
    form.scrollIntoView({ block: "center" });
    form.elements.product_type.focus();
  });

  window.addEventListener("beforeunload", (event) => {
    if (button.disabled) event.preventDefault();
  });

  // What was under way when the page was left.
  const before = JSON.parse(localStorage.getItem(MEMORY) || "null");
  if (before) {
    ask("GET", `/api/v1/uploads/${before.id}`).then((state) => {
      current = before;
      remember();
      if (state.state === "receiving") {
        bar.hidden = false;
        bar.value = state.offset / state.size;
        say(`${before.name} is here up to ${size(state.offset)} of ${size(state.size)}. Choose the file again, and it goes on.`);
      } else {
        run({ name: before.name, size: before.size });
      }
    }).catch((error) => {
      if (error instanceof Refused) localStorage.removeItem(MEMORY);
    });
  }
})();
