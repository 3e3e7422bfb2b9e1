// What keys do, in the grid and in a picture.

const STEP_KEYS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HELP = [
  ["← →", "previous, next picture"], ["Page ↑ ↓", "ten at a time"], ["Home End", "first, last"],
  ["+ − 0", "zoom in, out, whole picture"], ["Shift + arrows", "move the picture"],
  ["1 – 7", "layer"], ["o s w b", "overlay, side by side, swipe, blink"], ["Space", "hold: what it is compared with"],
  ["f", "filled or outlined"], ["[ ]", "opacity"], ["a", "all classes on"], ["x", "full screen"],
  ["Esc", "back to all frames"], ["?", "these keys"],
];

/** Let `viewer` do what the key says, unless something else wants it. */
function onKey(viewer, event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const [target] = event.composedPath();
  if (isUsingKeys(target, event.key)) return;
  if (viewer.view.frame === null ? gridKey(viewer, event) : pictureKey(viewer, event)) {
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Whether `target` does something of its own with `key`. */
function isUsingKeys(target, key) {
  if (!target?.closest) return false;
  const roles = ["slider", "tab", "combobox", "listbox", "menu", "dialog"].map((role) => `[role=${role}]`);
  if (target.closest(["input", "textarea", "select", "[contenteditable]", ...roles].join())) return true;
  return [" ", "Enter"].includes(key) && target.closest("button, a, summary");
}

/** Do what the key says and return true, or false if it says nothing; so does the next. */
function gridKey(viewer, { key, shiftKey }) {
  const { grid } = viewer;
  if (key in ARROWS && !shiftKey) return grid.move(...ARROWS[key]);
  const turn = { PageDown: 1, PageUp: -1 }[key];
  if (!turn) return false;
  viewer.change({ page: Math.min(grid.pages, Math.max(1, grid.page + turn)) });
  return true;
}

function pictureKey(viewer, { key, shiftKey }) {
  const { stage, controls } = viewer;
  if (shiftKey && key in ARROWS) return stage.pan(...ARROWS[key].map((part) => part * 80)), true;
  if (key in STEP_KEYS) return viewer.step(STEP_KEYS[key]), true;
  const mode = MODES.find((each) => each.key === key);
  if (mode) return viewer.change({ mode: mode.name }), true;
  const layer = viewer.layers[Number(key) - 1];
  if (layer) return viewer.change({ layer: layer.name }), true;
  const fade = (steps) => {
    const tenths = Math.round(viewer.view.opacity * 10 + steps);
    viewer.change({ opacity: Math.min(10, Math.max(0, tenths)) / 10 });
  };
  const actions = {
    "+": () => stage.zoom(1.5), "=": () => stage.zoom(1.5), "-": () => stage.zoom(1 / 1.5), 0: () => stage.fit(),
    f: () => viewer.change({ outline: !viewer.view.outline }), a: () => viewer.change({ hidden: new Set() }),
    "[": () => fade(-1), "]": () => fade(1), " ": () => viewer.hold(true), x: () => viewer.toggleFullScreen(),
    "?": () => controls.toggleHelp(), Escape: () => (controls.help.hidden ? viewer.close() : controls.toggleHelp()),
  };
  if (!Object.hasOwn(actions, key)) return false;
  actions[key]();
  return true;
}
