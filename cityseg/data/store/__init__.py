"""Frames decoded and resized once into memory-mapped arrays that all runs share."""

from cityseg.data.store.store import RESIDENT_SHARE, Store, StorePlan, open_store, plan_store

__all__ = ["RESIDENT_SHARE", "Store", "StorePlan", "open_store", "plan_store"]
