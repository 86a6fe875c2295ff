"""The families of dense networks: heads over another family's backbone. Imports nothing heavy."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vmamba_deploy.models.class_names import ade20k, coco
from vmamba_deploy.models.dense import declared
from vmamba_deploy.models.dense.config import LEVELS, DetectorConfig, UperNetConfig
from vmamba_deploy.models.dense.declared import Computed, refuse_other_heads, windows_noted
from vmamba_deploy.models.dense.relatives import (
    DETECTION_RELATIVES,
    SEGMENTATION_RELATIVES,
    refuse_sizes,
)
from vmamba_deploy.models.family import (
    Agreement,
    ClassNames,
    Family,
    NotThisFamilyError,
    OpCalls,
    Preset,
    refuse_relatives,
    size_in,
)
from vmamba_deploy.models.vmamba.family import VMAMBA
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.precisions import BaseName
from vmamba_deploy.preprocessing import DETECTION_PREPROCESSING, SEGMENTATION_PREPROCESSING
from vmamba_deploy.preprocessing.specification import Preprocessing
from vmamba_deploy.tasks import DETECTION, FEATURES, SEGMENTATION

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.models.checkpoints.settings import Settings
    from vmamba_deploy.models.network import Network

D = TypeVar("D", bound=UperNetConfig | DetectorConfig)

_BACKBONE = "backbone."
_NONE = re.compile(r"(?!)")
_SPLIT_AT_ONE_HALF = (
    "a pixel has a single logit: class 1 where that is above 0, a probability of one half, "
    "where mmsegmentation takes 0.3 if its configuration says nothing"
)


class DenseFamily(Family[D]):
    """What every head over a VMamba backbone has in common; see `Family` for each part.

    What concerns the backbone is asked of its own family.

    Attributes:
        prefix: of the names of presets, before that of the backbone's.
        usual: what the published networks have, whatever the backbone.
        computed: by the heads, as configurations say it.
        preprocessing: of their images.
        published_classes: what the classes of their data set are called.
    """

    prefix: str
    usual: D
    computed: Computed
    preprocessing: Preprocessing
    published_classes: Callable[[], ClassNames]
    own_names = _NONE
    aliases: Mapping[str, str] = {}
    contains = VMAMBA.name

    def __init__(self) -> None:
        backbones = VMAMBA.presets.values()
        made = [Preset(self._named(each.name), self._over(each.config)) for each in backbones]
        self.presets = {
            preset.name: replace(preset, preprocessing=self.preprocessing) for preset in made
        }

    def over(self, backbone: Preset[Any]) -> Preset[D] | None:
        """The preset with that backbone."""
        return self.presets.get(self._named(backbone.name))

    def initialize(self, network: Network, seed: int) -> None:
        """Random weights of backbone and heads."""
        from vmamba_deploy.models.dense.initialization import initialize_heads
        from vmamba_deploy.models.dense.network import DenseNetwork

        assert isinstance(network, DenseNetwork)
        VMAMBA.initialize(network.backbone, seed)
        initialize_heads(network, seed)

    def canonical_weights(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """The backbone's by its family; those of the heads are named in one way alone."""
        backbone = VMAMBA.canonical_weights(_of_backbone(tensors), path)
        heads = {name: each for name, each in tensors.items() if not name.startswith(_BACKBONE)}
        return {f"{_BACKBONE}{name}": each for name, each in backbone.items()} | heads

    def agreement(self, config: D | None, settings: Sequence[Settings], path: Path) -> Agreement:
        """What the file says of its backbone, and of the heads."""
        refuse_other_heads(settings, self.computed, path)
        agreed = VMAMBA.agreement(config.backbone if config else None, settings, path)
        return replace(agreed, notes=(*agreed.notes, *windows_noted(settings)))

    def like_file(self, config: D, weights: Mapping[str, Tensor]) -> D:
        """The preset's with the classes that the file has, and its backbone's input and norms."""
        backbone = _headless(VMAMBA.like_file(config.backbone, _of_backbone(weights)))
        try:
            classes = self.detect(weights).num_classes
        except NotThisFamilyError:
            classes = config.num_classes
        return replace(config, backbone=backbone, num_classes=classes)

    def preset_with(self, config: D) -> str | None:
        """The preset that has this head over this backbone, whatever its classes."""
        backbone = VMAMBA.preset_with(config.backbone)
        usual = replace(self.usual, backbone=config.backbone, num_classes=config.num_classes)
        return self._named(backbone) if backbone is not None and config == usual else None

    def cast(self, network: Network, precision: BaseName) -> Network:
        """The backbone by its family; last layers, boxes and scores stay float32."""
        from vmamba_deploy.models.dense.network import DenseNetwork, convert_precision

        assert isinstance(network, DenseNetwork)
        return convert_precision(network, VMAMBA.cast(network.backbone, precision), precision)

    def freeze(self, network: Network) -> None:
        """What the backbone's family freezes."""
        VMAMBA.freeze(network)

    def op_calls(self, config: D, task: str) -> Sequence[OpCalls]:
        """The backbone's, and for the network's own task those of its heads."""
        calls = VMAMBA.op_calls(config.backbone, FEATURES.name)
        return calls if task == FEATURES.name else (*calls, *self._head_calls())

    def summary(self, config: D) -> dict[str, Any]:
        """The head and its channels, and the backbone."""
        return {"head": self.name, "channels": config.channels, **VMAMBA.summary(config.backbone)}

    def usual_classes(self, config: D) -> ClassNames | None:
        """Those of the data set of the published networks, where there are as many."""
        published = self.published_classes()
        return published if config.num_classes == len(published.names) else None

    def _named(self, backbone: str) -> str:
        return f"{self.prefix}_{backbone}"

    def _over(self, backbone: Any) -> D:
        return replace(self.usual, backbone=_headless(backbone))

    def _detect_backbone(self, weights: Mapping[str, Tensor]) -> Any:
        return _headless(VMAMBA.detect(_of_backbone(weights)))

    def _head_calls(self) -> Sequence[OpCalls]:
        return ()

    @abstractmethod
    def detect(self, weights: Mapping[str, Tensor]) -> D:
        """See `Family.detect`."""


class UperNetFamily(DenseFamily[UperNetConfig]):
    """UperNet for segmentation."""

    name = "UperNet"
    prefix = "upernet"
    tasks = (SEGMENTATION.name, FEATURES.name)
    usual = UperNetConfig(backbone=None)
    computed = declared.SEGMENTATION
    preprocessing = SEGMENTATION_PREPROCESSING
    published_classes = staticmethod(ade20k)
    anchor = re.compile(r"(?:^|(?<=\.))decode_head\.")
    parts = re.compile(r"(?:backbone|neck|decode_head)\.")
    layers = re.compile(
        rf"backbone\.(?:{VMAMBA.layers.pattern})"
        r"|decode_head\.(?:(?:psp_modules|lateral_convs|fpn_convs)\.\d|\w*bottleneck|conv_seg)"
    )

    def build(self, config: UperNetConfig) -> Network:
        """The layers."""
        from vmamba_deploy.models.dense.upernet import UperNet

        return UperNet(config, VMAMBA.build(config.backbone))

    def detect(self, weights: Mapping[str, Tensor]) -> UperNetConfig:
        """The architecture that the shapes tell; other heads are refused by name."""
        refuse_relatives(weights, SEGMENTATION_RELATIVES)
        return UperNetConfig(
            backbone=self._detect_backbone(weights),
            num_classes=size_in(weights, "decode_head.conv_seg.weight", 0),
            channels=size_in(weights, "decode_head.fpn_bottleneck.conv.weight", 0),
        )

    def agreement(
        self, config: UperNetConfig | None, settings: Sequence[Settings], path: Path
    ) -> Agreement:
        """What the file says, and where a single logit is split."""
        agreed = super().agreement(config, settings, path)
        if config is None or config.num_classes > 1:
            return agreed
        return replace(agreed, notes=(*agreed.notes, _SPLIT_AT_ONE_HALF))


class MaskRCNNFamily(DenseFamily[DetectorConfig]):
    """Mask R-CNN for detection."""

    name = "Mask R-CNN"
    prefix = "mask_rcnn"
    tasks = (DETECTION.name, FEATURES.name)
    usual = DetectorConfig(backbone=None)
    computed = declared.MASK_RCNN
    preprocessing = DETECTION_PREPROCESSING
    published_classes = staticmethod(coco)
    anchor = re.compile(r"(?:^|(?<=\.))roi_head\.(?!(?:bbox_head|mask_head)\.\d)")
    parts = re.compile(r"(?:backbone|neck|rpn_head|roi_head)\.")
    layers = re.compile(rf"backbone\.(?:{VMAMBA.layers.pattern})|neck\.(?:lateral|fpn)_convs\.\d")
    stages: tuple[str, ...] = ("",)
    roi_calls = 2

    def build(self, config: DetectorConfig) -> Network:
        """The layers."""
        from vmamba_deploy.models.dense.mask_rcnn import MaskRCNN

        return MaskRCNN(config, VMAMBA.build(config.backbone))

    def detect(self, weights: Mapping[str, Tensor]) -> DetectorConfig:
        """The architecture that the shapes tell; relatives are refused by name."""
        refuse_relatives(weights, DETECTION_RELATIVES)
        head = f"roi_head.bbox_head.{self.stages[0]}"
        config = DetectorConfig(
            backbone=self._detect_backbone(weights),
            num_classes=size_in(weights, f"{head}fc_cls.weight", 0) - 1,
            channels=size_in(weights, "neck.fpn_convs.0.conv.weight", 0),
            fc_channels=size_in(weights, f"{head}fc_cls.weight", 1),
        )
        self._refuse_other_sizes(weights, config)
        return config

    def _refuse_other_sizes(self, weights: Mapping[str, Tensor], config: DetectorConfig) -> None:
        if not any(name.startswith("roi_head.mask_head.") for name in weights):
            raise NotThisFamilyError("it has no mask head, as a Faster R-CNN, which gives no masks")
        deltas = self._deltas(config)
        wanted = {
            "rpn_head.rpn_cls.weight": (3, "anchors a pixel"),
            "rpn_head.rpn_reg.weight": (12, "deltas a pixel, 4 for each anchor"),
        }
        for stage in self.stages:
            wanted |= {
                f"roi_head.bbox_head.{stage}fc_reg.weight": (deltas, "deltas a box"),
                f"roi_head.mask_head.{stage}conv_logits.weight": (
                    config.num_classes,
                    "masks a box",
                ),
            }
        refuse_sizes(weights, wanted)

    def _deltas(self, config: DetectorConfig) -> int:
        """Each class has its own."""
        return 4 * config.num_classes

    def _head_calls(self) -> Sequence[OpCalls]:
        return (OpCalls(MULTI_LEVEL_ROI_ALIGN.key, self.roi_calls, {}),)


class CascadeMaskRCNNFamily(MaskRCNNFamily):
    """Cascade Mask R-CNN for detection."""

    name = "Cascade Mask R-CNN"
    prefix = "cascade_mask_rcnn"
    computed = declared.CASCADE_MASK_RCNN
    anchor = re.compile(r"(?:^|(?<=\.))roi_head\.(?:bbox_head|mask_head)\.\d+\.")
    stages = ("0.", "1.", "2.")
    roi_calls = 4

    def build(self, config: DetectorConfig) -> Network:
        """The layers."""
        from vmamba_deploy.models.dense.cascade_mask_rcnn import CascadeMaskRCNN

        return CascadeMaskRCNN(config, VMAMBA.build(config.backbone))

    def _deltas(self, config: DetectorConfig) -> int:
        """All classes have the same."""
        return 4


def _headless(backbone: Any) -> Any:
    """Without a classifier, and with a norm for each of its maps, whatever a file has."""
    return replace(backbone, num_classes=None, outnorm_indices=tuple(range(LEVELS)))


def _of_backbone(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    of_backbone: Iterable[str] = (name for name in weights if name.startswith(_BACKBONE))
    return {name.removeprefix(_BACKBONE): weights[name] for name in of_backbone}


UPERNET: Final = UperNetFamily()
MASK_RCNN: Final = MaskRCNNFamily()
CASCADE_MASK_RCNN: Final = CascadeMaskRCNNFamily()
