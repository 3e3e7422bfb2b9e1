// @ts-check
// Types that several modules share, for the type checker only.

/**
 * A kind of file that a picture may have. Except for the photo ("image") they are label maps: grey
 * PNGs of one size. "labels" has label ids; "mask" (the truth) and "prediction" have train ids;
 * "confidence" has 0–255 for 0–1; "values" has what the annotation's file holds, one byte a pixel or
 * red, green and blue side by side; "instances" has each 16-bit instance id as two bytes side by
 * side, high byte first. "reviewed" has, for pixels of regions that were judged, the position of the
 * verdict in the picture's list, from 1; else 0. "outline" is no map of the picture but of the box of a
 * region in it: 255 inside of the region.
 *
 * @typedef {"image" | "labels" | "values" | "instances" | "mask" | "prediction" | "confidence"
 *   | "reviewed" | "outline"} Kind
 */

/**
 * @typedef {"image" | "truth" | "mask" | "ignored" | "prediction" | "errors" | "mistakes"
 *   | "confidence" | "reviewed"} LayerName
 */

/** @typedef {"overlay" | "side" | "swipe" | "blink" | "panes"} ModeName */

/**
 * The layers that are shown: the one to compare with, the main layer, and, in panes, those after it.
 *
 * @typedef {readonly [LayerName, LayerName, ...LayerName[]]} ShownLayers
 */

/** @typedef {readonly [number, number, number, number]} Box Top, left, bottom, right; exclusive. */

/** @typedef {readonly [number, number, number]} Color Red, green and blue, 0–255. */

/** @typedef {{ width: number, height: number }} Size */

/** @typedef {Size & { pixels: Uint8Array }} Plane A decoded label map: one byte for each pixel. */

/** @typedef {Plane | ImageBitmap} Decoded A label map, or the photo. */

/**
 * A picture and the addresses of its files.
 *
 * @typedef {object} Picture
 * @property {string} name
 * @property {string} note A line of text beside the name; may be empty.
 * @property {readonly string[]} tags
 * @property {number} pixelAspect The width of its pixels divided by their height.
 * @property {string} thumbnail The address of a small version; empty if there is none.
 * @property {string} overlay The address of its labels in colours, as small; empty if there is none.
 * @property {(kind: Kind) => string | null} url
 * @property {() => string[]} urls Of all kinds that it has.
 * @property {readonly Judged[]} [judged] The verdicts on its regions, those of "reviewed".
 * @property {string} [title] What it is called on the page, if not by its name.
 * @property {Box | null} [box] Of the region that is shown of it; null is none.
 * @property {string} [pair] Regions of the same pair may be judged together.
 * @property {string} [predicted] The label that a network has there; empty if none was asked.
 */

/**
 * A row of the label table that Python sends.
 *
 * @typedef {object} Label
 * @property {number} id
 * @property {string} name
 * @property {string} category
 * @property {number} train_id
 * @property {boolean} ignored Whether the evaluation ignores it.
 * @property {Color} color
 * @property {string} about What it means, where its name does not say so; else empty.
 */

/**
 * An entry of a legend: `value` is what the layer's pixels hold, `id` the label's own number.
 *
 * @typedef {{ value: number, id: number, name: string, category: string, color: Color,
 *   about: string }} LegendEntry
 */

/**
 * What is shown and how.
 *
 * @typedef {object} View
 * @property {string | null} frame The name of the picture; null is the grid.
 * @property {LayerName} layer
 * @property {ModeName} mode
 * @property {LayerName} with The layer to compare with.
 * @property {number} opacity Of the layer over the photo, 0–1.
 * @property {boolean} outline
 * @property {ReadonlySet<number>} hidden Ids of the labels that are switched off.
 * @property {number} zoom 1 is the whole picture, 0 the region that is shown of it.
 * @property {number | null} x The picture's column in the middle of a pane; null is its centre.
 * @property {number | null} y The same for its row.
 * @property {number} swipe Where the border of the swipe is, 0–1 of the width.
 * @property {number} first The position of a picture on the page of the grid that is shown.
 * @property {number} size Of thumbnails: their least width in CSS pixels.
 * @property {boolean} labelled Whether thumbnails have their labels over them.
 * @property {number} brightness Of the photo; 1 is as it was taken.
 * @property {number} contrast The same.
 */

/**
 * What buttons and keys can do.
 *
 * @typedef {object} Actions
 * @property {(changes: Partial<View>) => void} change
 * @property {(count: number) => void} step Go forward by `count` pictures; backward if negative.
 * @property {() => void} close Return from a picture to the grid.
 * @property {(factor: number) => void} zoomBy
 * @property {() => void} fit Show the whole picture.
 * @property {(right: number, down: number) => void} pan In CSS pixels.
 * @property {(steps: number) => void} fade Change the opacity by tenths.
 * @property {() => void} toggleOutline
 * @property {(id: number, alone: boolean) => void} toggleLabel Switch a label on or off, or show it alone.
 * @property {(held: boolean) => void} hold Show the layer to compare with while `held`.
 * @property {() => void} toggleFullScreen
 * @property {() => void} toggleHelp Open or close the list of keys.
 * @property {Pick<import("./grid.js").Grid, "move" | "turn" | "toggleLabels">} grid
 * @property {Pick<import("./tagging.js").Tagging, "ask" | "repeat">} tagging
 * @property {Pick<import("./review.js").Review,
 *   "judge" | "undo" | "skip" | "toggleAlike" | "askNote">} review
 */

/**
 * @typedef {{ name: string, note: string }
 *   & { [kind in Exclude<Kind, "reviewed" | "outline">]: string | null }} ListedPicture
 */

/**
 * Many pictures whose addresses differ by their names only.
 *
 * @typedef {object} Gallery
 * @property {string} base
 * @property {string[]} names
 * @property {string[]} kinds
 * @property {string[]} notes
 * @property {string[]} [tags] Of each picture, separated by commas.
 * @property {Reviewed | null} [reviewed] Null if no region was judged.
 */

/**
 * The verdicts on regions of pictures by their names, and where their maps are: `<address><name>`.
 *
 * @typedef {{ address: string, judged: Record<string, Judged[]> }} Reviewed
 */

/**
 * A tag that was added to a picture (`is_set`) or removed from it; `id` has 16 hexadecimal digits.
 *
 * @typedef {{ id: string, frame: string, tag: string, is_set: boolean }} TagChange
 */

/** @typedef {"wrong_label" | "network_wrong" | "unclear" | "not_worth_it"} VerdictCode */

/**
 * A verdict as it is kept; stale if the annotation has changed since.
 *
 * @typedef {{ verdict: VerdictCode, accepted: boolean, note: string, reviewer: string,
 *   stale: boolean }} Judged
 */

/**
 * How far the regions are judged: see `Progress` in `review/queue.py`.
 *
 * @typedef {{ judged: number, total: number, wrong: number, decided: number,
 *   expected_left: number }} Progress
 */

/**
 * How much of which file of a ledger was read: a later one is greater, compared number by number.
 *
 * @typedef {readonly [number, number]} Version
 */

/**
 * A region to judge: see `QueuedRegion` in `component.py`.
 *
 * @typedef {{ name: string, frame: string, source: number, box: Box, outline: string, note: string,
 *   pair: string, predicted: string }} QueuedRegion
 */

/**
 * Regions to judge. `address` takes verdicts; `ledger` stands for the file that they go to, of which
 * `judged` and `progress` say what its `version` had. `requested` is the region that was asked
 * for, whether or not it is among these.
 *
 * @typedef {object} Queue
 * @property {QueuedRegion[]} regions
 * @property {{ base: string, kinds: string[] }[]} sources
 * @property {string} address
 * @property {string} ledger
 * @property {string} reviewer
 * @property {Record<string, Judged | null>} judged By the name of the region.
 * @property {Progress} progress
 * @property {Version} version
 * @property {string} requested
 */

/**
 * A verdict on regions, or, with the id of another change in `undone`, what takes that back.
 *
 * @typedef {{ id: string, entries: string[], reviewer: string, verdict: VerdictCode | null,
 *   accepted: boolean, note: string, undone: string | null }} VerdictChange
 */

/**
 * What the server answers to changes: the ids of those that are kept, and why others are refused.
 *
 * @typedef {{ kept: string[], refused: Record<string, string>, judged: Record<string, Judged | null>,
 *   progress: Progress, version: Version }} VerdictAnswer
 */

/**
 * What Python sends (`component.py`).
 *
 * @typedef {object} Data
 * @property {Label[]} labels
 * @property {Gallery | null} gallery
 * @property {Queue | null} [queue]
 * @property {ListedPicture[]} pictures Where there is neither gallery nor queue.
 * @property {number} pixel_aspect Of all pictures: the width of a pixel divided by its height.
 * @property {string | null} start The picture to begin with.
 * @property {LayerName} layer
 * @property {LayerName | null} beside
 * @property {ModeName | null} [mode] The way to compare to begin with, where it is not given by `beside`.
 * @property {boolean} address Whether the page's address holds the view.
 * @property {boolean} reports_frame Whether to report the picture shown to Python.
 * @property {{ known: string[], confirmed: string[] } | null} [tagging] The tags to suggest, and the ids of
 *   changes that need not be sent again; null where pictures cannot be tagged.
 */

/**
 * Calls to Python.
 *
 * @typedef {object} Python
 * @property {((frame: string | null) => void) | null} report Report the name of the picture shown.
 * @property {(region?: string) => void} rerun Rerun the script, which is to send a region whatever the
 *   filters say.
 * @property {((report: { attempt: number, changes: TagChange[] }) => void) | null} tag Report changes of
 *   tags; Streamlit passes on only what differs from the report before.
 */

export {};
