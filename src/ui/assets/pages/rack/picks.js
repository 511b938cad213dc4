// What is selected in the rack: by clicks, ranges, a frame drawn with the mouse, tick boxes of banks and boards, and the keyboard.

import { h } from "../../core/dom.js";

/** A mouse that has moved less is a click. */
const SLIP_PX = 6;

/** `cells()` are all cells in their order; `changed(names)` is called after every change. */
export function picks({ cellOf, order, changed }) {
  const picked = new Set();
  const boxes = new Set();
  let anchor = null;

  function tell() {
    for (const one of boxes) drawBox(one);
    changed([...picked]);
  }

  function set(name, on) {
    if (picked.has(name) === on) return;
    if (on) picked.add(name);
    else picked.delete(name);
    cellOf(name)?.pick(on);
  }

  function drawBox({ box, names }) {
    let on = 0;
    for (const name of names) if (picked.has(name)) on++;
    box.checked = on > 0 && on === names.length;
    box.indeterminate = on > 0 && on < names.length;
  }

  const self = {
    has: (name) => picked.has(name),
    get size() {
      return picked.size;
    },
    names: () => [...picked],
    toggle(name) {
      set(name, !picked.has(name));
      anchor = name;
      tell();
    },
    /** Everything between the last one that was chosen and this one. */
    range(name) {
      const names = order();
      const [from, to] = [names.indexOf(anchor), names.indexOf(name)];
      if (from < 0) return self.toggle(name);
      for (const one of names.slice(Math.min(from, to), Math.max(from, to) + 1)) set(one, true);
      tell();
    },
    from: (name) => (anchor ??= name),
    only(names) {
      const wanted = new Set(names);
      for (const one of [...picked]) if (!wanted.has(one)) set(one, false);
      for (const one of wanted) set(one, true);
      tell();
    },
    add(names) {
      for (const one of names) set(one, true);
      tell();
    },
    clear: () => (anchor = null, self.only([])),
    /** A tick box for several. */
    box(names, label) {
      const box = h("input", { type: "checkbox", "aria-label": label, on: { change: () => {
        for (const name of names) set(name, box.checked);
        tell();
      } } });
      const one = { box, names };
      boxes.add(one);
      drawBox(one);
      return box;
    },
    forgetBoxes(element) {
      for (const one of boxes) if (element.contains(one.box)) boxes.delete(one);
    },
  };
  return self;
}

/** Draws a frame from where the mouse goes down; what it touches is selected when it is let go. With Ctrl or Shift it adds. */
export function frame(area, { panels, cellOf, done }) {
  const box = h("div", { class: "lasso", hidden: true });
  let from = null, moved = false;

  area.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest("input, button, a:not(.cell a)")) return;
    from = { x: event.pageX, y: event.pageY };
    moved = false;
  });
  const move = (event) => {
    if (!from) return;
    if (!moved && Math.hypot(event.pageX - from.x, event.pageY - from.y) < SLIP_PX) return;
    moved = true;
    event.preventDefault();
    document.body.classList.add("framing");
    box.hidden = false;
    for (const [key, value] of Object.entries(rect(event))) box.style.setProperty(key, `${value}px`);
  };
  const rect = (event) => {
    const left = Math.min(from.x, event.pageX), top = Math.min(from.y, event.pageY);
    return { left, top, width: Math.abs(event.pageX - from.x), height: Math.abs(event.pageY - from.y) };
  };
  const up = (event) => {
    if (!from) return;
    if (moved) {
      const { left, top, width, height } = rect(event);
      const wanted = { left: left - scrollX, top: top - scrollY, right: left - scrollX + width, bottom: top - scrollY + height };
      const touches = (element) => {
        const one = element.getBoundingClientRect();
        return one.left < wanted.right && one.right > wanted.left && one.top < wanted.bottom && one.bottom > wanted.top;
      };
      const names = panels().filter(({ element }) => touches(element)).flatMap((panel) => panel.names).filter((name) => touches(cellOf(name).element));
      done(names, event.ctrlKey || event.metaKey || event.shiftKey);
      // The click that follows belongs to the frame.
      addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
    }
    stop();
  };
  const swallow = (event) => (event.preventDefault(), event.stopPropagation());
  const stop = () => {
    from = null;
    box.hidden = true;
    document.body.classList.remove("framing");
  };
  const key = (event) => event.key === "Escape" && stop();
  addEventListener("pointermove", move);
  addEventListener("pointerup", up);
  addEventListener("pointercancel", stop);
  addEventListener("keydown", key);
  document.body.append(box);
  return () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", up);
    removeEventListener("pointercancel", stop);
    removeEventListener("keydown", key);
    box.remove();
    stop();
  };
}
