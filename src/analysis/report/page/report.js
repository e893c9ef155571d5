// SPDX-License-Identifier: Apache-2.0
// What the page adds where scripts run: the nearest point's values in a chart, by pointer or arrow keys, and tables sorted by a click.
"use strict";
(() => {
  const NEAR = 48;  // units of the SVG

  function element(name, attributes, parent) {
    const e = document.createElementNS(parent.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
    parent.append(e);
    return e;
  }

  function explore(plot) {
    const svg = plot.querySelector("svg"), source = plot.querySelector("script");
    if (!svg || !source) return;
    const chart = JSON.parse(source.textContent);
    if (!chart.series.length) return;
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    tip.setAttribute("role", "status");
    plot.append(tip);
    let layer = null, series = 0, point = -1;

    function hide() {
      tip.hidden = true;
      if (layer) layer.remove();
      layer = null;
    }

    function show() {
      const [x, y, text] = chart.series[series].points[point];
      hide();
      layer = element("g", {}, svg);
      element("path", { class: "cross-hair", d: `M${chart.left} ${y}H${chart.right}M${x} ${chart.top}V${chart.bottom}` }, layer);
      element("circle", { class: "chosen", cx: x, cy: y, r: 6.5, style: `stroke:${chart.series[series].colour}` }, layer);
      tip.textContent = text;
      tip.hidden = false;
      const scale = svg.clientWidth / svg.viewBox.baseVal.width || svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      const room = plot.clientWidth - tip.offsetWidth;
      const right = x * scale + 12;
      tip.style.left = Math.max(0, Math.min(room, right > room ? x * scale - tip.offsetWidth - 12 : right)) + "px";
      tip.style.top = Math.max(0, y * scale - tip.offsetHeight - 10) + "px";
    }

    function nearest(event) {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      let best = NEAR * NEAR, found = null;
      chart.series.forEach((s, i) => s.points.forEach((p, j) => {
        const distance = (p[0] - x) ** 2 + (p[1] - y) ** 2;
        if (distance < best) best = distance, found = [i, j];
      }));
      if (!found) return hide();
      if (tip.hidden || found[0] !== series || found[1] !== point) {
        [series, point] = found;
        show();
      }
    }

    function step(event) {
      const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
      if (event.key === "Escape") return hide();
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      const count = chart.series.length;
      const share = point < 0 ? 0 : point / chart.series[series].points.length;
      series = (series + move[0] + count) % count;
      const points = chart.series[series].points;
      if (move[0]) point = Math.min(points.length - 1, Math.round(share * points.length));
      else point = Math.max(0, Math.min(points.length - 1, point + move[1]));
      show();
    }

    for (const title of svg.querySelectorAll("title")) if (title.parentNode.classList.contains("point") || title.parentNode.classList.contains("cross")) title.remove();
    svg.tabIndex = 0;
    svg.setAttribute("aria-description", "Arrow keys go from point to point");
    svg.addEventListener("pointermove", nearest);
    svg.addEventListener("pointerdown", nearest);
    svg.addEventListener("pointerleave", event => event.pointerType === "mouse" && hide());
    document.addEventListener("pointerdown", event => plot.contains(event.target) || hide());
    svg.addEventListener("keydown", step);
    svg.addEventListener("blur", hide);
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].sort((a, b) => {
          const x = key(a, column), y = key(b, column);
          if (x === "" || y === "") return (x === "") - (y === "");  // what is unknown stays at the end
          const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, "en", { numeric: true }) : x - y;
          return down ? -order : order;
        });
        body.append(...rows);
      });
    });
  }

  document.querySelectorAll(".plot").forEach(explore);
  document.querySelectorAll("table.sortable").forEach(sortable);
})();
