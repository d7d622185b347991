// Plays the populations of the page. What a film holds is said in encoding.rs; the controls stand in its template.
(() => {
  "use strict";
  const SECONDS = 12; // of a whole film
  const FLASH = 0.025; // of the whole, a division or a death is seen
  const REACH = 14; // pixels from the pointer to a cell
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const words = text => {
    const view = new DataView(bytes(text).buffer);
    return Uint16Array.from({ length: view.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true));
  };
  const short = x => String(Number(x.toPrecision(3))).replace("-", "−");

  function decode(told) {
    const [places, mothers] = [words(told.places), words(told.mothers)];
    const starts = [0];
    for (const count of told.counts) starts.push(starts[starts.length - 1] + count);
    const along = (axis, odd) => {
      const [low, high] = told.within[axis];
      return Float32Array.from(mothers, (_, row) => low + (high - low) * places[2 * row + odd] / 65535);
    };
    // Of rows with one mother, the first stands for her until she divides.
    const first = new Uint8Array(mothers.length);
    for (let frame = 1; frame < told.counts.length; frame++) {
      const seen = new Set();
      for (let row = starts[frame]; row < starts[frame + 1]; row++) {
        first[row] = seen.has(mothers[row]) ? 0 : 1;
        seen.add(mothers[row]);
      }
    }
    const [from, to] = [told.times[0], told.times[told.times.length - 1]];
    const moments = text => Float64Array.from(words(text), x => from + (to - from) * x / 65535);
    return {
      ...told, starts, mothers, first, from, to,
      x: along(0, 0), y: along(1, 1), births: bytes(told.births), ends: bytes(told.ends),
      divisions: moments(told.divisions), deaths: moments(told.deaths),
      channels: told.channels.map(channel => ({ ...channel, values: bytes(channel.values) })),
    };
  }

  // The colours of all values of a mode.
  function paint(mode) {
    if (mode.names) return mode.colours;
    const parts = mode.stops.map(stop => [1, 3, 5].map(at => parseInt(stop.slice(at, at + 2), 16)));
    return Array.from({ length: 256 }, (_, value) => {
      const place = Math.min(value / 254, 1) * (parts.length - 1), i = Math.min(Math.floor(place), parts.length - 2);
      return `rgb(${parts[i].map((part, c) => Math.round(part + (parts[i + 1][c] - part) * (place - i)))})`;
    });
  }

  function start(figure) {
    const film = decode(JSON.parse(figure.querySelector("script").textContent));
    figure.querySelector(":scope > figcaption").before(document.importNode(figure.querySelector("template").content, true));
    const find = name => figure.querySelector(name);
    const [canvas, slider, button, choice] = ["canvas", "input", "button", "select"].map(find);
    const [clock, key, tip] = ["output", ".key", ".tip"].map(find);
    const context = canvas.getContext("2d");
    const colours = film.modes.map(paint);
    let now = film.from, mode = 0, last = null, pointer = null, turned = 0;
    figure.classList.add("plays");

    const value = (mode, row) => {
      const channel = film.channels[mode.channel];
      return channel.values[row * channel.width + mode.column];
    };
    const before = moments => {
      let [low, high] = [0, moments.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (moments[middle] <= now) low = middle + 1; else high = middle;
      }
      return low;
    };

    // The cells that live now, and the divisions and deaths of a moment ago.
    function scene() {
      const { times, starts, mothers, births, ends, first, x, y } = film;
      let frame = 0;
      while (frame + 2 < times.length && times[frame + 1] <= now) frame++;
      const [t, next] = [times[frame], times[frame + 1]];
      const share = (now - t) / (next - t), window = FLASH * (film.to - film.from);
      const moment = code => (code - 1) / 254;
      const alive = [], divided = [], died = [];
      for (let row = starts[frame + 1]; row < starts[frame + 2]; row++) {
        const mother = starts[frame] + mothers[row], born = births[row] ? moment(births[row]) : -1;
        if (share < born && !first[row]) continue;
        alive.push({ row: share < 0.5 ? mother : row, at: row,
          x: x[mother] + share * (x[row] - x[mother]), y: y[mother] + share * (y[row] - y[mother]) });
        const since = now - t - born * (next - t);
        if (born >= 0 && since >= 0 && since < window) divided.push(alive[alive.length - 1]);
      }
      for (let row = starts[frame]; row < starts[frame + 1]; row++) {
        if (!ends[row]) continue;
        const since = now - t - moment(ends[row]) * (next - t);
        if (since < 0) alive.push({ row, at: row, x: x[row], y: y[row] });
        else if (since < window) died.push({ x: x[row], y: y[row] });
      }
      if (frame > 0) {
        // What happened at the end of the interval before is seen in this one.
        const length = t - times[frame - 1];
        const since = code => now - t + (1 - moment(code)) * length;
        for (let row = starts[frame]; row < starts[frame + 1]; row++) {
          if (births[row] && since(births[row]) < window) divided.push({ x: x[row], y: y[row] });
        }
        for (let row = starts[frame - 1]; row < starts[frame]; row++) {
          if (ends[row] && since(ends[row]) < window) died.push({ x: x[row], y: y[row] });
        }
      }
      return { alive, divided, died };
    }

    function draw() {
      const box = canvas.getBoundingClientRect(), dense = window.devicePixelRatio || 1;
      canvas.width = Math.max(1, Math.round(box.width * dense));
      canvas.height = Math.max(1, Math.round(box.height * dense));
      const [[left, right], [low, high]] = film.shown;
      const across = x => (x - left) / (right - left) * canvas.width;
      const down = y => (high - y) / (high - low) * canvas.height;
      const scale = box.width / film.wide * dense, size = film.dot * scale / 2;
      const { alive, divided, died } = scene();
      const of = film.modes[mode], paints = colours[mode];
      const counts = new Map();
      const groups = new Map();
      for (const cell of alive) {
        const number = of ? value(of, cell.row) : 0;
        counts.set(number, (counts.get(number) || 0) + 1);
        if (!groups.has(number)) groups.set(number, new Path2D());
        const path = groups.get(number), [px, py] = [across(cell.x), down(cell.y)];
        if (of?.names && number >= of.dots && number < of.names.length) {
          path.rect(px - size, py - size, 2 * size, 2 * size);
        } else {
          path.moveTo(px + size, py);
          path.arc(px, py, size, 0, 2 * Math.PI);
        }
      }
      context.globalAlpha = 0.85;
      // An edge, by which pale cells are seen among those of the data.
      context.strokeStyle = "rgb(31 41 51 / 45%)";
      context.lineWidth = 0.5 * scale;
      for (const [number, path] of groups) {
        context.fillStyle = of ? paints[number] : film.colour;
        context.fill(path);
        context.stroke(path);
      }
      context.globalAlpha = 1;
      context.lineWidth = 1.5 * scale;
      mark(divided, "#000000", (path, px, py) => {
        path.moveTo(px + 2.2 * size, py);
        path.arc(px, py, 2.2 * size, 0, 2 * Math.PI);
      });
      mark(died, "#882255", (path, px, py) => {
        const arm = Math.max(1.2 * size, 3 * scale);
        path.moveTo(px - arm, py - arm); path.lineTo(px + arm, py + arm);
        path.moveTo(px + arm, py - arm); path.lineTo(px - arm, py + arm);
      });
      function mark(cells, colour, shape) {
        const path = new Path2D();
        for (const cell of cells) shape(path, across(cell.x), down(cell.y));
        context.strokeStyle = colour;
        context.stroke(path);
      }
      const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
      const [divisions, deaths] = [film.divisions, film.deaths].map(before);
      // Those that are born and die between two frames are counted, but not drawn.
      const cells = film.branches ? film.counts[0] + divisions - deaths : alive.length;
      const told = [`time ${now.toFixed(film.digits)}`, count(cells, "cell")];
      if (film.branches) told.push(count(divisions, "division"), count(deaths, "death"));
      clock.textContent = told.join(" · ");
      if (of && of.names) {
        key.querySelectorAll("span").forEach((span, i) => { span.textContent = ` (${counts.get(i) || 0})`; });
      }
      hover(alive, box, x => across(x) / dense, y => down(y) / dense);
    }

    // The numbers of the cell nearest to the pointer.
    function hover(alive, box, across, down) {
      let nearest = null, least = REACH * REACH;
      for (const cell of pointer ? alive : []) {
        const square = (across(cell.x) - pointer.x) ** 2 + (down(cell.y) - pointer.y) ** 2;
        if (square < least) [nearest, least] = [cell, square];
      }
      tip.hidden = !nearest;
      if (!nearest) return;
      const lines = film.names.filter(name => name).map((name, i) => `${name} ${short([nearest.x, nearest.y][i])}`);
      for (const of of film.modes) {
        const number = value(of, nearest.row);
        if (of.names) lines.push(`${of.name} ${of.names[number]}`);
        else lines.push(`${of.name} ${short(of.low + (of.high - of.low) * number / 254)}`);
      }
      lines.push(descent(nearest.at));
      tip.replaceChildren(...lines.map(line => Object.assign(document.createElement("div"), { textContent: line })));
      const [px, py] = [across(nearest.x), down(nearest.y)];
      tip.style.left = `${canvas.offsetLeft + Math.min(px + 12, Math.max(0, box.width - tip.offsetWidth - 4))}px`;
      tip.style.top = `${canvas.offsetTop + (py + 16 + tip.offsetHeight > box.height ? Math.max(0, py - tip.offsetHeight - 12) : py + 12)}px`;
    }

    // From which cell of the first frame, and since when.
    function descent(row) {
      let frame = film.starts.findLastIndex(start => start <= row), born = null;
      while (frame > 0) {
        const code = film.births[row];
        if (code && born === null) {
          const at = film.times[frame - 1] + (film.times[frame] - film.times[frame - 1]) * (code - 1) / 254;
          if (at <= now) born = at;
        }
        row = film.starts[frame - 1] + film.mothers[row];
        frame--;
      }
      return `founder ${film.mothers[row] + 1}` + (born === null ? "" : `, born at ${born.toFixed(film.digits)}`);
    }

    function go(to) {
      now = Math.min(Math.max(to, film.from), film.to);
      slider.value = Math.round((now - film.from) / (film.to - film.from) * slider.max);
      slider.setAttribute("aria-valuetext", `time ${now.toFixed(film.digits)}`);
      draw();
    }

    function play(on) {
      button.textContent = on ? "Pause" : "Play";
      last = null;
      turned += 1;
      if (!on) return;
      if (now >= film.to) go(film.from);
      const turn = turned;
      if (calm.matches) {
        // From snapshot to snapshot, without motion between.
        const step = () => {
          if (turn !== turned) return;
          go(film.snapshots.find(time => time > now) ?? film.to);
          if (now >= film.to) play(false); else setTimeout(step, 1500);
        };
        setTimeout(step, 1500);
      } else {
        const step = time => {
          if (turn !== turned) return;
          if (last !== null) go(now + (time - last) / 1000 / SECONDS * (film.to - film.from));
          last = time;
          if (now >= film.to) play(false); else requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
      }
    }

    function choose(number) {
      mode = number;
      const of = film.modes[mode];
      key.replaceChildren();
      if (!of) return;
      const add = (tag, text, to) => to.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
      if (of.names) {
        const list = add("ul", "", key);
        of.names.forEach((name, i) => {
          const item = add("li", "", list);
          Object.assign(add("i", "", item), { className: i < of.dots ? "dot" : "square" }).style.color = of.colours[i];
          item.append(name);
          add("span", "", item);
        });
      } else {
        const bar = Object.assign(add("div", "", key), { className: "bar" });
        add("i", "", bar).style.background = `linear-gradient(90deg,${of.stops})`;
        const ends = add("span", "", bar);
        [of.low, (of.low + of.high) / 2, of.high].forEach(x => add("em", short(x), ends));
      }
    }

    button.addEventListener("click", () => play(button.textContent === "Play"));
    slider.addEventListener("input", () => {
      play(false);
      go(film.from + (film.to - film.from) * slider.value / slider.max);
    });
    choice?.addEventListener("change", () => { choose(choice.selectedIndex); draw(); });
    canvas.addEventListener("pointermove", event => {
      pointer = { x: event.offsetX, y: event.offsetY };
      draw();
    });
    canvas.addEventListener("pointerleave", () => { pointer = null; draw(); });
    new ResizeObserver(draw).observe(canvas);
    choose(0);
    go(film.from);
  }

  document.querySelectorAll(".film").forEach(start);
})();
