"""A dataset on disk: its frames, annotations and pictures, and the masks converted from them."""

from cityseg.data import png
from cityseg.data.annotations import REASONS, read_bytes, read_grey_png, read_label_ids
from cityseg.data.archive_files import DAMAGE
from cityseg.data.archive_names import is_metadata
from cityseg.data.archives import import_archives
from cityseg.data.areas import Area, IgnoredAreas, painted
from cityseg.data.catalogue import IGNORED_LABEL_IDS, Catalogue, Frequencies, load_catalogue
from cityseg.data.dataset import (
    check_splits,
    find_frames,
    folder_warnings,
    layout_found,
    missing_splits_message,
    watched_folders,
)
from cityseg.data.diagnosis import what_is_there
from cityseg.data.encodings import (
    ENCODING_NAMES,
    ENCODINGS,
    GREY_ENCODINGS,
    LABEL_IDS_OF_VALUES,
    NO_LABEL,
    Encoding,
)
from cityseg.data.examination import examine, examine_files
from cityseg.data.exclusion import Exclusion, read_exclusion
from cityseg.data.findings import WARNINGS
from cityseg.data.folds import part_of_frames
from cityseg.data.frame import FRAME_FILES, MASK_SUFFIX, Frame
from cityseg.data.images import MAX_BYTES, MAX_PIXELS, PICTURE_SUFFIXES, decode_frame, read_image
from cityseg.data.label_map import (
    NO_LABEL_MAP,
    UnknownNamesError,
    load_label_map,
    names_of_labels,
    unknown_names_message,
)
from cityseg.data.layouts import (
    ANNOTATIONS,
    IMAGE_SUFFIXES,
    IMAGES,
    LAYOUT_VARIABLE,
    LAYOUTS,
    SPLITS,
    Side,
    canonical,
    file_named,
    layout_named,
)
from cityseg.data.locating import enclosing
from cityseg.data.mask_files import decode_mask, encode_mask
from cityseg.data.mask_shards import convert_shard, merge_masks
from cityseg.data.masks import check_sizes, convert, convert_planned, plan_conversion
from cityseg.data.pairing import FrameFiles
from cityseg.data.pairs import dataset_beside, recognised_pairs, unpack_pairs
from cityseg.data.picture_files import describe_left_out, find_pictures
from cityseg.data.pixel_aspect import (
    MOST_ASPECT,
    PixelAspect,
    picture_pixel_aspect,
    picture_size_hw,
)
from cityseg.data.pixel_table import PIXELS
from cityseg.data.polygons import draw_numbers
from cityseg.data.reading import (
    LABEL_IDS,
    Reading,
    kept_reading,
    layout_of_folder,
    read_stored_values,
    reading_of,
    reading_of_folder,
)
from cityseg.data.report import REPORT, Report, pixel_aspect_of
from cityseg.data.selection import (
    BY_NAME,
    IGNORED,
    ORDERS,
    UNSEEN,
    Selection,
    problems_of,
    shares_of,
)
from cityseg.data.shard_journal import stamps_of, work_of_shards, work_on_shard
from cityseg.data.shards import SHARDS, Shard, ShardFolder
from cityseg.data.verdict import Verdict
from cityseg.data.videos import (
    KEPT_CLASSES,
    LEAST_RATE,
    MOST_RATE,
    UNFINISHED_VIDEO,
    Video,
    open_video,
    quiet_stderr,
)

__all__ = [
    "ANNOTATIONS",
    "BY_NAME",
    "DAMAGE",
    "ENCODINGS",
    "ENCODING_NAMES",
    "FRAME_FILES",
    "GREY_ENCODINGS",
    "IGNORED",
    "IGNORED_LABEL_IDS",
    "IMAGES",
    "IMAGE_SUFFIXES",
    "KEPT_CLASSES",
    "LABEL_IDS",
    "LABEL_IDS_OF_VALUES",
    "LAYOUTS",
    "LAYOUT_VARIABLE",
    "LEAST_RATE",
    "MASK_SUFFIX",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MOST_ASPECT",
    "MOST_RATE",
    "NO_LABEL",
    "NO_LABEL_MAP",
    "ORDERS",
    "PICTURE_SUFFIXES",
    "PIXELS",
    "REASONS",
    "REPORT",
    "SHARDS",
    "SPLITS",
    "UNFINISHED_VIDEO",
    "UNSEEN",
    "WARNINGS",
    "Area",
    "Catalogue",
    "Encoding",
    "Exclusion",
    "Frame",
    "FrameFiles",
    "Frequencies",
    "IgnoredAreas",
    "PixelAspect",
    "Reading",
    "Report",
    "Selection",
    "Shard",
    "ShardFolder",
    "Side",
    "UnknownNamesError",
    "Verdict",
    "Video",
    "canonical",
    "check_sizes",
    "check_splits",
    "convert",
    "convert_planned",
    "convert_shard",
    "dataset_beside",
    "decode_frame",
    "decode_mask",
    "describe_left_out",
    "draw_numbers",
    "enclosing",
    "encode_mask",
    "examine",
    "examine_files",
    "file_named",
    "find_frames",
    "find_pictures",
    "folder_warnings",
    "import_archives",
    "is_metadata",
    "kept_reading",
    "layout_found",
    "layout_named",
    "layout_of_folder",
    "load_catalogue",
    "load_label_map",
    "merge_masks",
    "missing_splits_message",
    "names_of_labels",
    "open_video",
    "painted",
    "part_of_frames",
    "picture_pixel_aspect",
    "picture_size_hw",
    "pixel_aspect_of",
    "plan_conversion",
    "png",
    "problems_of",
    "quiet_stderr",
    "read_bytes",
    "read_exclusion",
    "read_grey_png",
    "read_image",
    "read_label_ids",
    "read_stored_values",
    "reading_of",
    "reading_of_folder",
    "recognised_pairs",
    "shares_of",
    "stamps_of",
    "unknown_names_message",
    "unpack_pairs",
    "watched_folders",
    "what_is_there",
    "work_of_shards",
    "work_on_shard",
]
