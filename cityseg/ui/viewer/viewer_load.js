// Pictures are fetched and decoded by a worker: the page stays free for keys and drawing.

/** The worker's whole program; it sees nothing else of this module. */
function work() {
  const running = new Map();

  onmessage = async ({ data: { id, url, grey, urgent } }) => {
    if (!url) {
      running.get(id)?.abort();
      return;
    }
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const priority = urgent ? "high" : "low";
      const answer = await fetch(url, { signal: controller.signal, priority });
      if (!answer.ok) throw Object.assign(new Error((await answer.text()).slice(0, 500)), { status: answer.status });
      if (grey) {
        const plane = await decodeGrey(await answer.arrayBuffer());
        postMessage({ id, value: plane }, [plane.pixels.buffer]);
      } else {
        const bitmap = await createImageBitmap(await answer.blob());
        postMessage({ id, value: bitmap }, [bitmap]);
      }
    } catch (error) {
      // No answer, or "gone": the server was started anew, or is about to be.
      const lost = error.status === 410 || error instanceof TypeError;
      postMessage({ id, error: error.message, lost });
    } finally {
      running.delete(id);
    }
  };

  /**
   * The values of an unfiltered 8-bit grey PNG. Not by a canvas: some browsers add noise to what
   * is read from one, and colour management may change it, while label ids must be exact.
   */
  async function decodeGrey(file) {
    const bytes = new DataView(file);
    const parts = [];
    for (let at = 8; at + 8 < file.byteLength; at += 12 + bytes.getUint32(at)) {
      if (bytes.getUint32(at + 4) === 0x49444154) {
        parts.push(new Uint8Array(file, at + 8, bytes.getUint32(at)));
      }
    }
    const width = bytes.getUint32(16);
    const height = bytes.getUint32(20);
    const inflated = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
    const rows = new Uint8Array(await new Response(inflated).arrayBuffer());
    if (bytes.getUint16(24) !== 0x0800 || rows.length !== height * (width + 1)) {
      throw new Error("a label map came in a form that cannot be shown");
    }
    const pixels = new Uint8Array(width * height);
    for (let y = 0; y < height; y++) {
      const start = y * (width + 1);
      if (rows[start] !== 0) throw new Error("a label map came in a form that cannot be shown");
      pixels.set(rows.subarray(start + 1, start + 1 + width), y * width);
    }
    return { width, height, pixels };
  }
}

/** Decoded pictures by address: an ImageBitmap, or {width, height, pixels} of a label map. */
class Store {
  constructor(changed) {
    this.changed = changed;
    this.items = new Map();
    this.waiting = new Map();
    this.last = 0;
    const source = new Blob([`(${work})()`], { type: "text/javascript" });
    const address = URL.createObjectURL(source);
    this.worker = new Worker(address);
    URL.revokeObjectURL(address);
    this.worker.onmessage = ({ data }) => this.receive(data);
  }

  /** {value} or {error} once it has settled; an empty item before that. */
  get(url) {
    return this.items.get(url) ?? {};
  }

  /** Load the `wanted` [{url, grey, urgent}] that are missing, and forget all that `keeps` not. */
  want(wanted, keeps) {
    for (const [url, item] of this.items) {
      if (!keeps(url)) this.forget(url, item);
    }
    for (const { url, grey, urgent } of wanted) {
      if (this.items.has(url)) continue;
      const item = { id: ++this.last };
      this.items.set(url, item);
      this.waiting.set(item.id, { url, item });
      this.worker.postMessage({ id: item.id, url: new URL(url, location.origin).href, grey, urgent });
    }
  }

  /** Let what could not be loaded be tried again: all of it, or what was lost with the server. */
  forgetFailures(lostOnly = false) {
    for (const [url, item] of this.items) if (item.error && (item.lost || !lostOnly)) this.items.delete(url);
  }

  forget(url, item) {
    this.items.delete(url);
    if (this.waiting.delete(item.id)) this.worker.postMessage({ id: item.id });
    item.value?.close?.();
  }

  receive({ id, value, error, lost }) {
    const waiting = this.waiting.get(id);
    if (!waiting) {
      value?.close?.();
      return;
    }
    this.waiting.delete(id);
    Object.assign(waiting.item, { value, error, lost });
    this.changed(waiting.url);
  }

  close() {
    this.worker.terminate();
    for (const item of this.items.values()) item.value?.close?.();
    this.items.clear();
    this.waiting.clear();
  }
}

/** Pictures with `urls(kind)`, from the two forms in which Python sends them. */
function picturesOf({ gallery, pictures }) {
  if (!gallery) {
    return pictures.map((picture) => ({
      name: picture.name,
      note: picture.note,
      urls: (kind) => picture[kind],
      all: () => Object.values(picture),
    }));
  }
  const { base, names, kinds, notes } = gallery;
  const known = new Set(kinds);
  return names.map((name, i) => {
    const urls = (kind) => (known.has(kind) ? `${base}${kind}?frame=${encodeURIComponent(name)}` : null);
    return {
      name,
      note: notes[i] ?? "",
      get thumbnail() {
        return urls("thumbnail");
      },
      urls,
      all: () => kinds.map(urls),
    };
  });
}
