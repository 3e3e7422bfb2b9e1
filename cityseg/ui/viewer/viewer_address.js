// The view in the address bar: written after changes, read when the page is opened.

const DEFAULTS = {
  frame: null, layer: "truth", mode: "overlay", with: "image", opacity: 0.6, outline: false,
  hidden: new Set(), zoom: 1, x: null, y: null, swipe: 0.5, page: 1,
};
const NAMES = ["frame", "layer", "mode", "with", "opacity", "outline", "off", "view", "swipe", "page"];

/** The part of a view that the address holds; what is odd there is left out. */
function readAddress() {
  const params = new URLSearchParams(location.search);
  const view = {};
  const text = (name, allowed) => {
    if (allowed.some((each) => each.name === params.get(name))) view[name] = params.get(name);
  };
  const number = (name, value, low, high) => {
    if (value !== null && value !== "" && Number.isFinite(+value)) view[name] = Math.min(high, Math.max(low, +value));
  };
  view.frame = params.get("frame");
  text("layer", LAYERS);
  text("mode", MODES);
  text("with", LAYERS);
  number("opacity", params.get("opacity"), 0, 1);
  number("swipe", params.get("swipe"), 0, 1);
  number("page", params.get("page"), 1, 1e6);
  view.outline = params.get("outline") === "1";
  const [x, y, zoom] = (params.get("view") ?? "").split(",");
  number("x", x, 0, 1e6);
  number("y", y ?? null, 0, 1e6);
  number("zoom", zoom ?? null, 1, 1e4);
  view.hidden = new Set((params.get("off") ?? "").split(".").filter(Boolean).map(Number));
  return view;
}

/** The parameters that say where `view` differs from the defaults. */
function describeView(view, defaults) {
  const told = {};
  for (const name of ["layer", "mode", "with", "opacity", "swipe", "page"]) {
    if (view[name] !== defaults[name]) told[name] = String(view[name]);
  }
  if (view.page !== 1) told.page = String(view.page);
  if (view.frame !== null) told.frame = view.frame;
  if (view.outline) told.outline = "1";
  if (view.hidden.size) told.off = [...view.hidden].sort((a, b) => a - b).join(".");
  if (view.zoom > 1) told.view = [view.x, view.y, view.zoom].map((n) => +n.toFixed(2)).join(",");
  return told;
}

/** Put `told` into the address; parameters of others stay. `remember` is for the button Back. */
function writeAddress(told, remember = false) {
  const url = new URL(location.href);
  for (const name of NAMES) {
    if (name in told) url.searchParams.set(name, told[name]);
    else url.searchParams.delete(name);
  }
  const query = url.searchParams.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  const wanted = url.pathname + (query && `?${query}`) + url.hash;
  if (wanted !== location.pathname + location.search + location.hash) {
    if (remember) history.pushState({}, "", wanted);
    else history.replaceState(history.state, "", wanted);
  }
}
