"""A class for every pixel."""

from __future__ import annotations

from vmamba_deploy.tasks.task import Output, Task

LABELS = Output("labels", "label_map", ("batch", "height", "width"), "int32")
HEAD_LOGITS = Output("logits", "map", ("batch", "classes", None, None))
SEGMENTATION = Task("segmentation", (LABELS,), optional=(HEAD_LOGITS,), batches=(1,))
"""Labels [B,H,W] int32 of the pixels of the input: the head's logits, resized bilinearly to the
input's size, have their largest there. Where asked for, `logits` [B,classes,h,w] as the head gives
them, 1/4 of the input."""
