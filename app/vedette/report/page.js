"use strict";
// Adds to a page that is complete without it: zoom and read-out on the timeline, a level filter, seeking in clips.
(() => {
  const clock = (s, digits = 1) => {
    const unit = 10 ** digits, whole = Math.round(Math.max(0, s) * unit), sec = Math.floor(whole / unit);
    const two = (n) => String(n).padStart(2, "0");
    const text = `${Math.floor(sec / 3600)}:${two(Math.floor(sec / 60) % 60)}:${two(sec % 60)}`;
    return digits ? `${text}.${String(whole % unit).padStart(digits, "0")}` : text;
  };
  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    node.textContent = text;
    if (className) node.className = className;
    return node;
  };

  function timeline(root) {
    const data = JSON.parse(document.getElementById("curves").textContent);
    const duration = Number(root.dataset.duration);
    const [scroll, inner, axis] = [".tl-scroll", ".tl-inner", ".tl-axis"].map((s) => root.querySelector(s));
    const [cursor, readout] = [".tl-cursor", ".tl-readout"].map((s) => root.querySelector(s));
    const most = Math.max(1, Math.min(400, duration / 5));  // no closer than about five seconds across
    let zoom = 1;

    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200];
    function ticks() {  // only those near the view: a day at full zoom has tens of thousands
      const width = inner.clientWidth, perSecond = width / duration;
      const step = steps.find((s) => s * perSecond >= 84) || 86400;
      const from = Math.max(0, Math.floor((scroll.scrollLeft - 400) / perSecond / step));
      const to = Math.min(duration / step, (scroll.scrollLeft + scroll.clientWidth + 400) / perSecond / step);
      axis.replaceChildren();
      for (let i = from; i <= to; i++) {
        if ((duration - i * step) * perSecond < 52) break;  // its text would be cut off
        const mark = make("span", clock(i * step, step < 1 ? 1 : 0));
        mark.style.left = `${(i * step / duration) * 100}%`;
        axis.append(mark);
      }
    }
    function setZoom(wanted, centre = scroll.clientWidth / 2) {
      const before = (scroll.scrollLeft + centre) / inner.clientWidth;
      zoom = Math.min(most, Math.max(1, wanted));
      inner.style.width = `${zoom * 100}%`;
      scroll.scrollLeft = before * inner.clientWidth - centre;
      ticks();
    }
    function show(x) {
      const box = inner.getBoundingClientRect();
      const time = Math.min(duration, Math.max(0, ((x - box.left) / box.width) * duration));
      cursor.hidden = false;
      cursor.style.left = `${(time / duration) * 100}%`;
      const part = Math.min(data.parts - 1, Math.floor((time / duration) * data.parts));
      const said = [clock(time)];
      if (data.start) {
        const [, sign, hours, minutes] = data.start.match(/([+-])(\d\d):(\d\d)$/) || [];
        const shift = sign ? Number(`${sign}1`) * (hours * 60 + Number(minutes)) : 0;  // shown in its own zone
        const moment = new Date(Date.parse(data.start) + shift * 60_000 + time * 1000);
        const zone = sign ? `${sign}${hours}:${minutes}` : "UTC";
        if (!isNaN(moment)) said.push(moment.toISOString().replace("T", " ").replace(/\.\d+Z$/, ` ${zone}`));
      }
      for (const lane of data.lanes) {
        if (lane.gaps.some(([a, b]) => time >= a && time <= b)) { said.push(`${lane.name}: not observed`); continue; }
        const values = Object.entries(lane.curves).map(([name, bins]) => [name, nearest(bins, part)]);
        const known = values.filter(([, value]) => value >= 0).map(([name, value]) => `${name} ${value} %`);
        said.push(`${lane.name}: ${known.join(", ") || "nothing above 1 %"}`);
      }
      readout.textContent = said.join("  ·  ");
    }
    function nearest(bins, part) {  // a sense that looks twice a second leaves parts empty between its looks
      for (let away = 0; away <= Math.ceil(1.5 * data.parts / duration) + 1; away++) {
        if (bins[part - away] >= 0) return bins[part - away];
        if (bins[part + away] >= 0) return bins[part + away];
      }
      return -1;
    }

    const tools = make("div", "", "tl-tools");
    const button = (text, label, act) => {
      const node = make("button", text);
      node.type = "button";
      node.setAttribute("aria-label", label);
      node.addEventListener("click", act);
      tools.append(node);
    };
    button("−", "Zoom out", () => setZoom(zoom / 2));
    button("+", "Zoom in", () => setZoom(zoom * 2));
    button("Whole recording", "Show the whole recording", () => setZoom(1));
    tools.append(make("span", "Ctrl and wheel zooms; a number leads to its event"));
    root.prepend(tools);
    inner.addEventListener("pointermove", (e) => show(e.clientX));
    inner.addEventListener("pointerleave", () => { cursor.hidden = true; readout.textContent = ""; });
    scroll.addEventListener("scroll", ticks, { passive: true });
    scroll.addEventListener("wheel", (e) => {
      if (!e.ctrlKey) return;
      e.preventDefault();
      setZoom(zoom * (e.deltaY < 0 ? 1.25 : 0.8), e.clientX - scroll.getBoundingClientRect().left);
    }, { passive: false });
    window.addEventListener("resize", ticks);
    ticks();
  }

  function filter(bar) {
    bar.hidden = false;
    bar.addEventListener("change", () => {
      const shown = new Set([...bar.querySelectorAll("input:checked")].map((box) => box.value));
      for (const card of document.querySelectorAll(".card")) card.hidden = !shown.has(card.dataset.level);
    });
  }

  function seeking(card) {  // a click on the spectrogram plays the clip from there; the playhead follows it
    const player = card.querySelector("video, audio"), figure = card.querySelector("figure.sound");
    const still = card.querySelector(".frame img");
    if (player && still) player.poster = still.src;
    if (!player || !figure) return;
    const start = Number(figure.dataset.start), end = Number(figure.dataset.end), zero = Number(player.dataset.start);
    const head = figure.querySelector(".playhead"), picture = figure.querySelector(".spectrogram");
    picture.classList.add("seekable");
    picture.title = "Click to play from here";
    picture.addEventListener("click", (e) => {
      const box = picture.getBoundingClientRect();
      player.currentTime = Math.max(0, start + ((e.clientX - box.left) / box.width) * (end - start) - zero);
      player.play();
    });
    player.addEventListener("timeupdate", () => {
      const share = (zero + player.currentTime - start) / (end - start);
      head.hidden = share < 0 || share > 1;
      head.style.left = `${share * 100}%`;
    });
  }

  document.querySelectorAll(".tl").forEach(timeline);
  document.querySelectorAll(".filter").forEach(filter);
  document.querySelectorAll(".card").forEach(seeking);
})();
