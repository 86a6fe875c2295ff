from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models import load_model, load_weights
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.prefixes import listed
from vmamba_deploy.models.vmamba.network import VMamba

Weights = dict[str, Tensor]


def prefixed(weights: Weights, prefix: str) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def assert_holds(model: VMamba, weights: Weights) -> None:
    state = model.state_dict()
    assert set(state) == set(weights)
    for name, tensor in weights.items():
        assert torch.equal(state[name], tensor), name


LAYOUTS: dict[str, Any] = {
    "bare": lambda w: w,
    "model": lambda w: {"model": w, "epoch": 3, "optimizer": {"state": {}, "param_groups": []}},
    "model beats model_ema": lambda w: {
        "model_ema": {name: tensor * 2 for name, tensor in w.items()},
        "model": w,
    },
    "model_ema alone": lambda w: {"model_ema": w},
    "state_dict": lambda w: {"state_dict": w, "meta": {}},
    "data parallel": lambda w: {"model": prefixed(w, "module.")},
    "compiled data parallel": lambda w: prefixed(w, "_orig_mod.module."),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("zipped", [True, False])
def test_published_layouts(
    layout: str, zipped: bool, s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save(LAYOUTS[layout](s2_weights), checkpoint, _use_new_zipfile_serialization=zipped)
    assert_holds(load_model(checkpoint), s2_weights)


def test_safetensors(s2_weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(s2_weights, path)
    assert_holds(load_model(path), s2_weights)


def test_the_name_of_the_file_does_not_matter(s2_weights: Weights, checkpoint: Path) -> None:
    save_file(s2_weights, checkpoint)
    assert_holds(load_model(checkpoint), s2_weights)


def test_backbone_of_a_detector(s2_weights: Weights, checkpoint: Path) -> None:
    backbone = {k: v for k, v in s2_weights.items() if not k.startswith("classifier.")}
    others = {"neck.fpn.weight": torch.ones(2, 2), "bbox_head.retina_cls.bias": torch.ones(3)}
    torch.save({"state_dict": prefixed(backbone, "backbone.") | others}, checkpoint)
    model = load_model(checkpoint)
    assert_holds(model, backbone)
    assert model.config.num_classes is None


def test_half_precision_files_load_as_float32(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({name: tensor.half() for name, tensor in s2_weights.items()}, checkpoint)
    state = load_model(checkpoint).state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    name = "layers.0.blocks.0.mlp.fc1.weight"
    assert torch.equal(state[name], s2_weights[name].half().float())


LABELS = [f"class {i}" for i in range(10)]


def test_class_labels_are_kept(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights, "class_labels": LABELS}, checkpoint)
    assert load_model(checkpoint).class_labels == tuple(LABELS)


def test_class_labels_of_safetensors_metadata(s2_weights: Weights, checkpoint: Path) -> None:
    import json

    mapping = {str(i): label for i, label in reversed(list(enumerate(LABELS)))}
    save_file(s2_weights, checkpoint, metadata={"id2label": json.dumps(mapping)})
    assert load_model(checkpoint).class_labels == tuple(LABELS)


@pytest.mark.parametrize("labels", [LABELS[:-1], "text", [1] * 10, None])
def test_labels_that_do_not_fit_are_left_out(
    labels: Any, s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save({"model": s2_weights, "class_labels": labels}, checkpoint)
    assert load_model(checkpoint).class_labels is None


def test_labels_that_no_manifest_takes_are_refused_when_they_are_read(
    s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save({"model": s2_weights, "class_labels": [*LABELS[:-1], "\x1b[2J"]}, checkpoint)
    with pytest.raises(InputFileError, match=r"label that cannot be shown.*x1b"):
        load_model(checkpoint)


def test_a_path_that_no_manifest_takes_is_refused(s2_weights: Weights, tmp_path: Path) -> None:
    torch.save(s2_weights, tmp_path / "clear\x1b[2J.pth")
    with pytest.raises(UsageError, match="cannot be shown"):
        load_weights(str(tmp_path / "clear\x1b[2J.pth"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "dict"),
        ({"epoch": 3, "model": {}}, "epoch, model"),
        ([1, 2], "list"),
        (7, "int"),
        (dict.fromkeys("abcdefghi"), "a, b, c, d, e, f, g, h"),
    ],
)
def test_files_without_weights(content: Any, told: str, checkpoint: Path) -> None:
    torch.save(content, checkpoint)
    with pytest.raises(InputFileError, match=rf"holds no weights: .*; found {told}\.$") as error:
        load_model(checkpoint)
    assert "model.state_dict()" in (error.value.hint or "")


def doubled(weights: Weights) -> Weights:
    return {name: tensor * 2 for name, tensor in weights.items()}


@pytest.mark.parametrize(
    ("other", "taken"),
    [("model_ema", "model"), ("ema", "net"), ("params_ema", "params"), ("ema_state_dict", "net")],
)
def test_the_choice_between_a_network_and_its_average(
    other: str, taken: str, s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save({other: doubled(s2_weights), taken: s2_weights}, checkpoint)
    loaded = load_weights(str(checkpoint))
    assert_holds(loaded.model, s2_weights)
    assert loaded.origin is not None
    assert (loaded.origin.key, loaded.origin.other_keys) == (taken, (other,))
    assert f"'{taken}'; there are others under '{other}'" in loaded.origin.notes[0]
    asked = load_weights(str(checkpoint), choice=WeightsChoice(key=other))
    assert_holds(asked.model, doubled(s2_weights))


def test_tensors_that_are_no_network_are_no_choice(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"momentum": {"a": torch.ones(2)}, "net": s2_weights}, checkpoint)
    loaded = load_weights(str(checkpoint))
    assert_holds(loaded.model, s2_weights)
    assert loaded.origin is not None
    assert loaded.origin.other_keys == ()


def test_weights_a_level_deeper(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": {"state_dict": s2_weights, "arch": "vmamba"}, "epoch": 1}, checkpoint)
    assert_holds(load_model(checkpoint), s2_weights)


def test_equally_good_keys_and_keys_that_are_not_there(
    s2_weights: Weights, checkpoint: Path
) -> None:
    torch.save({"student": s2_weights, "teacher": doubled(s2_weights)}, checkpoint)
    with pytest.raises(InputFileError, match="'student', 'teacher'") as error:
        load_model(checkpoint)
    assert "--weights-key 'student'" in (error.value.hint or "")
    with pytest.raises(UsageError, match="under 'net'"):
        load_weights(str(checkpoint), choice=WeightsChoice(key="net"))


@pytest.mark.parametrize(
    "prefix", ["model.", "net.", "vmamba.", "encoder.vssm.", "student.backbone.", "a.module.b."]
)
def test_any_one_prefix(prefix: str, s2_weights: Weights, checkpoint: Path) -> None:
    beside = {"criterion.weight": torch.ones(10), "projector.0.weight": torch.ones(3, 3).int()}
    torch.save({"state_dict": prefixed(s2_weights, prefix) | beside}, checkpoint)
    loaded = load_weights(str(checkpoint))
    assert_holds(loaded.model, s2_weights)
    assert loaded.origin is not None
    assert loaded.origin.prefix == prefix.replace("module.", "")
    assert loaded.origin.notes == ("left out 2 tensors: criterion.*, projector.*",)


def test_a_tensor_inside_the_prefix_is_never_left_out(
    s2_weights: Weights, checkpoint: Path
) -> None:
    inside = {"net.layers.0.blocks.0.op.gamma": torch.ones(8)}
    torch.save(prefixed(s2_weights, "net.") | inside, checkpoint)
    with pytest.raises(InputFileError, match="1 unexpected"):
        load_model(checkpoint)


def test_several_prefixes(s2_weights: Weights, checkpoint: Path) -> None:
    both = prefixed(s2_weights, "student.") | prefixed(doubled(s2_weights), "teacher.")
    torch.save(both, checkpoint)
    with pytest.raises(InputFileError, match=r"'student\.', 'teacher\.'") as error:
        load_model(checkpoint)
    assert "--strip-prefix 'student.'" in (error.value.hint or "")
    teacher = load_weights(str(checkpoint), choice=WeightsChoice(prefix="teacher"))
    assert_holds(teacher.model, doubled(s2_weights))
    with pytest.raises(UsageError, match=r"begins with 'net\.'") as no_such:
        load_weights(str(checkpoint), choice=WeightsChoice(prefix="net"))
    assert no_such.value.hint == "They begin with 'student.', 'teacher.'."


def test_a_moving_average_alone_is_taken(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save(prefixed(s2_weights, "ema."), checkpoint)
    assert_holds(load_model(checkpoint), s2_weights)


def test_long_lists_of_names_are_cut() -> None:
    assert listed("abcdefgh").endswith("'g', 'h'")
    assert listed("abcdefghi").endswith("'g', 'h', ...")


def test_wrappers_around_a_part(s2_weights: Weights, checkpoint: Path) -> None:
    partly = {
        (f"module.{name}" if name.startswith("layers.1") else name): tensor
        for name, tensor in s2_weights.items()
    }
    torch.save(partly, checkpoint)
    assert_holds(load_model(checkpoint), s2_weights)


def test_counters_are_left_out_with_a_word(s2_weights: Weights, checkpoint: Path) -> None:
    counters = {f"{n}.total_ops": torch.zeros(1).double() for n in ("layers.0", "classifier")}
    counters |= {"total_params": torch.zeros(1), "bn.num_batches_tracked": torch.tensor(7)}
    torch.save(s2_weights | counters, checkpoint)
    loaded = load_weights(str(checkpoint))
    assert_holds(loaded.model, s2_weights)
    assert loaded.origin is not None
    (note,) = loaded.origin.notes
    assert note.startswith("left out 4 tensors: *.total_ops, *.total_params")


def test_a_head_in_a_sequential_is_told(s2_weights: Weights, checkpoint: Path) -> None:
    named = {name.replace("classifier.head.", "head.1."): t for name, t in s2_weights.items()}
    torch.save(named, checkpoint)
    origin = load_weights(str(checkpoint)).origin
    assert origin is not None
    assert "taken for a dropout" in origin.notes[0]


def test_random_weights_have_no_key() -> None:
    with pytest.raises(UsageError, match="nothing to choose"):
        load_weights("random", preset="t", choice=WeightsChoice(key="model"))
