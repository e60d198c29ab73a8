// Makes elements. Text only ever becomes text nodes, so nothing that anybody wrote is read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (a function is a listener, `true` an empty attribute, null none) and children. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** A line drawing of 24 by 24, hidden from screen readers. */
export function icon(path) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

export const ICONS = {
  send: "M12 19V5M5.500 11.500 12 5l6.500 6.500",
  attach: "M12 5v14M5 12h14",
  react: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM8.500 14.500a4.500 4.500 0 0 0 7 0M9 9.500v.01M15 9.500v.01",
  edit: "M4 20h4L19.500 8.500a2.100 2.100 0 0 0-3-3L5 17v3z",
  link: "M8 16 16.500 7.500M9 7h8v8",
  down: "M12 5v14M5.500 12.500 12 19l6.500-6.500",
  close: "M6 6l12 12M18 6 6 18",
  photo: "M4 6h16v12H4zM4 16l5-5 4 4 3-3 4 4M15.500 9.500v.01",
  voice: "M12 15a3 3 0 0 0 3-3V7a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3zM6 12a6 6 0 0 0 12 0M12 18v3",
  sticker: "M5 4h14v9l-6 7H5zM13 20v-7h6",
};
