/** The living marble diagram: time runs to the left, and what is on the screen is all that is drawn. */

import { element } from "./dom.js";
import { SECOND_PX as SECOND } from "./marbles.js";

/** @typedef {import("./marbles.js").Marbles} Marbles */
/** @typedef {import("./marbles.js").Marble} Marble */

const SVG = "http://www.w3.org/2000/svg";
const LINE = 32; // px
const DOT = 22; // px, below the line's label
const NAMES = 120; // px, at the left

export class MarblesView {
  /** @param {Marbles} marbles */
  constructor(marbles) {
    this.marbles = marbles;
    this.svg = svg("svg", { class: "marbles", role: "img", "aria-label": "Marble diagram of the conversation" });
    this.lines = svg("g", {});
    this.names = svg("g", {});
    this.drawn = svg("g", {});
    this.svg.append(this.lines, this.drawn, this.names);
    /** @type {Map<Marble, SVGElement>} */
    this.nodes = new Map();
    this.shownLines = 0;
    this.width = 0;
  }

  /** @param {number} now the time at the right edge, in seconds */
  draw(now) {
    this.layOut();
    const [from, to] = this.marbles.between(now - this.width / SECOND, now);
    const visible = new Set(this.marbles.marbles.slice(from, to));
    for (const [marble, node] of this.nodes) {
      if (visible.has(marble)) continue;
      node.remove();
      this.nodes.delete(marble);
    }
    for (const marble of visible) if (!this.nodes.has(marble)) this.put(marble);
    this.drawn.setAttribute("transform", `translate(${this.width - now * SECOND} 0)`);
  }

  layOut() {
    const { lines } = this.marbles;
    const width = this.svg.clientWidth || 640;
    if (lines.length === this.shownLines && width === this.width) return;
    this.shownLines = lines.length;
    this.width = width;
    this.svg.setAttribute("height", String(lines.length * LINE));
    const paths = lines.map((_, place) => {
      const y = place * LINE + DOT;
      return svg("line", { x1: NAMES, x2: width, y1: y, y2: y });
    });
    this.lines.replaceChildren(...paths);
    this.names.replaceChildren(svg("rect", { class: "margin", width: NAMES - 6, height: lines.length * LINE }));
    for (const [place, name] of lines.entries()) {
      const text = svg("text", { x: 0, y: place * LINE + DOT + 4 });
      text.textContent = name;
      this.names.append(text);
    }
  }

  /** @param {Marble} marble */
  put(marble) {
    const [x, y] = [marble.at * SECOND, marble.line * LINE + DOT];
    const group = svg("g", { class: `marble ${marble.kind}`, transform: `translate(${x} ${y})` });
    const title = svg("title", {});
    title.textContent = marble.title;
    group.append(title);
    if (marble.kind === "sound") group.append(svg("line", { y1: -4, y2: 4 }));
    else if (marble.kind === "cut") group.append(svg("line", { class: "cut", y1: -y, y2: this.shownLines * LINE - y }));
    else group.append(svg("circle", { r: 4.5 }));
    if (marble.label) {
      const text = svg("text", { x: marble.kind === "cut" ? 6 : -4, y: -9 });
      text.textContent = marble.label;
      group.append(text);
    }
    this.drawn.append(group);
    this.nodes.set(marble, group);
  }
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/**
 * A turn's latency as a bar of its parts.
 * @param {import("./marbles.js").Latency} latency
 */
export function latencyBar({ total, parts }) {
  const bar = element("div", "bar");
  bar.setAttribute("role", "img");
  const told = parts.filter(([, ms]) => ms >= 1);
  bar.setAttribute("aria-label", told.map(([name, ms]) => `${name} ${Math.round(ms)} ms`).join(", "));
  for (const [name, ms] of parts) {
    const part = element("span", `part ${name}`);
    part.style.flexGrow = String(Math.max(0, ms));
    part.title = `${name.replaceAll("_", " ")}: ${Math.round(ms)} ms`;
    bar.append(part);
  }
  bar.style.width = `${Math.min(100, total / 30)}%`;
  return element("li", "latency", bar, element("span", "", `${Math.round(total)} ms`));
}
