"""Frames decoded and resized once into memory-mapped arrays that all runs share."""

from cityseg.data.store.files import Store, StoreRow, build_lock
from cityseg.data.store.inventory import StoreFolder, list_stores
from cityseg.data.store.rebuilding import is_damaged, rebuild_rows, rebuilt_frames, settle
from cityseg.data.store.store import (
    RESIDENT_SHARE,
    StorePlan,
    count_pairs,
    find_store,
    open_store,
    plan_store,
)

__all__ = [
    "RESIDENT_SHARE",
    "Store",
    "StoreFolder",
    "StorePlan",
    "StoreRow",
    "build_lock",
    "count_pairs",
    "find_store",
    "is_damaged",
    "list_stores",
    "open_store",
    "plan_store",
    "rebuild_rows",
    "rebuilt_frames",
    "settle",
]
