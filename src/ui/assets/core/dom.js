// Elements from data. Text is always text: nothing here, and nothing else in this page, makes markup of a string.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element. Properties: `on: {click: f}` listens, `data: {id: 1}` and `style: {"--x": 1}` are set one by one, `class`
 * may be a list; `true` is an attribute without a value, `false`, `null` and `undefined` are none. `needs` names the role that may
 * use it; whoever has less sees it disabled, and why. Children are nodes, texts and lists of them; nothing is made of `null` and
 * `false`.
 */
export function h(tag, properties, ...children) {
  const element = fill(dress(document.createElement(tag), properties), children);
  const why = properties?.needs && whyNot(properties.needs);
  if (why) lock(element, why);
  return element;
}

let whyNot = () => null;
/** Who knows why somebody may not use what needs a role: a function of the role that gives a sentence, or nothing. */
export const askWhyNot = (ask) => (whyNot = ask);

/** What somebody may not use: pages that turn it on and off go on doing so, without effect. */
function lock(element, why) {
  element.title = why;
  if (element.tagName === "A") {
    element.removeAttribute("href");
    element.setAttribute("role", "link");
    element.setAttribute("aria-disabled", "true");
  } else {
    element.disabled = true;
    Object.defineProperty(element, "disabled", { get: () => true, set() {} });
  }
}

/** The same for SVG. */
export function s(tag, properties, ...children) {
  return fill(dress(document.createElementNS(SVG, tag), properties), children);
}

function dress(element, properties) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "needs") continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "class") element.setAttribute("class", [value].flat(9).filter(Boolean).join(" "));
    else if (name === "value" || name === "checked" || name === "disabled" || name === "indeterminate") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

/** Appends children to `element`, and gives it. */
export function fill(element, ...children) {
  for (const child of children.flat(9)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Replaces what is in `element`. */
export function put(element, ...children) {
  element.replaceChildren();
  return fill(element, children);
}

/**
 * Makes `children` all that is in `parent`, in this order, and moves only what is not in its place: what somebody writes in, or has
 * the focus on, is not taken from under them.
 */
export function setOrder(parent, children) {
  const wanted = new Set(children);
  for (const one of [...parent.childNodes]) if (!wanted.has(one)) one.remove();
  let next = parent.firstChild;
  for (const child of children) {
    // One that goes further down is moved itself, rather than all that come after it.
    if (next && child !== next && child === next.nextSibling) {
      move(parent, next, null);
      next = child;
    }
    if (child === next) next = next.nextSibling;
    else move(parent, child, next);
  }
}

/** Browsers that can move an element leave it the focus; in others it is taken out and put in. */
function move(parent, child, next) {
  if (child.parentNode === parent && parent.moveBefore) parent.moveBefore(child, next);
  else parent.insertBefore(child, next);
}

/** Changes an element's text only where it differs, so that what people have selected stays selected. */
export function say(element, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

let given = 0;
/** A new id, for a label and what it labels. */
export const newId = (what) => `${what}-${++given}`;
