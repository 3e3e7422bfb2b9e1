// Thumbnails of many pictures, a page at a time.

const PER_PAGE = 24;
const count = new Intl.NumberFormat("en");

/** A DOM element; text only ever becomes text. */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

class Grid {
  /** `open` is called with a picture's index, `turn` with a page counted from 1. */
  constructor({ open, turn, hrefOf }) {
    Object.assign(this, { open, turn, hrefOf });
    this.list = el("div", { className: "thumbnails", role: "list" });
    this.previous = el("button", { type: "button", textContent: "‹ Previous page" });
    this.next = el("button", { type: "button", textContent: "Next page ›" });
    this.where = el("span", { className: "where", role: "status" });
    this.previous.onclick = () => turn(this.page - 1);
    this.next.onclick = () => turn(this.page + 1);
    const pager = el("div", { className: "bar pager" }, this.previous, this.where, this.next);
    this.element = el("div", { className: "grid" }, pager, this.list);
  }

  show(pictures, page) {
    this.pages = Math.max(1, Math.ceil(pictures.length / PER_PAGE));
    this.page = Math.min(Math.max(1, page), this.pages);
    const first = (this.page - 1) * PER_PAGE;
    const shown = pictures.slice(first, first + PER_PAGE);
    const signature = JSON.stringify([first, shown.map((each) => [each.thumbnail, each.note])]);
    this.previous.disabled = this.page === 1;
    this.next.disabled = this.page === this.pages;
    this.where.textContent = pictures.length
      ? `${count.format(first + 1)}–${count.format(first + shown.length)} of ${count.format(pictures.length)}`
      : "No frames";
    if (signature === this.signature) return;
    this.signature = signature;
    this.list.replaceChildren(...shown.map((picture, i) => this.thumbnail(picture, first + i)));
  }

  thumbnail(picture, index) {
    const image = el("img", { alt: "", src: picture.thumbnail, loading: "lazy", width: 320, height: 160 });
    const failed = el("span", { className: "failed", hidden: true, textContent: "No picture" });
    image.onerror = () => {
      image.hidden = true;
      failed.hidden = false;
    };
    const [stem, ...folders] = picture.name.split("/").reverse();
    const caption = el("span", { className: "caption" }, el("b", { textContent: stem }));
    caption.append(el("span", { textContent: folders.reverse().join(" / ") }));
    if (picture.note) caption.append(el("span", { className: "note", textContent: picture.note }));
    const link = el("a", { href: this.hrefOf(picture.name), title: picture.name }, image, failed, caption);
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.open(index);
    };
    return el("div", { role: "listitem" }, link);
  }

  focus(index) {
    this.list.querySelectorAll("a")[Math.max(0, index) % PER_PAGE]?.focus();
  }

  /** Move the focus by `steps` thumbnails, or `rows`; false at either end. */
  move(steps, rows) {
    const links = [...this.list.querySelectorAll("a")];
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const at = links.indexOf(this.list.getRootNode().activeElement);
    const to = at < 0 ? 0 : at + steps + rows * columns;
    links[to]?.focus();
    return to in links;
  }
}
