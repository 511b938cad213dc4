// The way of the arrow keys through the rack: sideways from device to device, up and down to what is seen above and below.

const middle = (box) => box.left + box.width / 2;

/** The name that `key` leads to from `name`, or `null`. `panels` are `{element, names}` in their order. */
export function stepTo(key, name, { panels, cellOf, order }) {
  const names = order();
  const at = names.indexOf(name);
  if (key === "ArrowRight") return names[at + 1] ?? null;
  if (key === "ArrowLeft") return names[at - 1] ?? null;
  if (key === "Home") return names[0];
  if (key === "End") return names.at(-1);
  const down = key === "ArrowDown";
  const here = cellOf(name).element.getBoundingClientRect();
  const inOrder = panels();
  const own = inOrder.findIndex((panel) => panel.names.includes(name));
  for (let panel = own; panel >= 0 && panel < inOrder.length; panel += down ? 1 : -1) {
    let best = null;
    for (const one of inOrder[panel].names) {
      if (one === name) continue;
      const box = cellOf(one).element.getBoundingClientRect();
      const away = down ? box.top - here.top : here.top - box.top;
      // A neighbour in the same row is not above or below.
      if (away < here.height / 2) continue;
      const rank = away * 4 + Math.abs(middle(box) - middle(here));
      if (!best || rank < best.rank) best = { one, rank };
    }
    if (best) return best.one;
  }
  return null;
}
