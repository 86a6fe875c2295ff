"""The op that pools the features of boxes from a pyramid (docs/multi_level_roi_align.md)."""
