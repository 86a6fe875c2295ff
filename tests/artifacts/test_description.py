"""What a description says of itself, and what none may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.artifacts.publishing import DESCRIPTION
from tests.artifacts.test_manifest import ENGINE
from tests.inference.dense_folders import dense_manifest
from vmamba_deploy.artifacts.manifest import Description, Manifest
from vmamba_deploy.errors import UsageError
from vmamba_deploy.preprocessing import SEGMENTATION_PREPROCESSING

PLUGIN = {"name": "p", "version": "1", "namespace": "v"}


def described(**changes: Any) -> Description:
    return msgspec.convert(DESCRIPTION | changes, Description)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"engine": {"built": False, "reason": None}}, "needs a `reason`"),
        ({"preprocessing": {**DESCRIPTION["preprocessing"], "std": [1, 1]}}, "one value for each"),
        ({"preprocessing": {**DESCRIPTION["preprocessing"], "mean": [], "std": []}}, "mean|length"),
        (
            {"preprocessing": {**DESCRIPTION["preprocessing"], "std": [float("inf"), 1, 1]}},
            "must be finite",
        ),
    ],
)
def test_what_none_may_say(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told):
        described(**changes)


@pytest.mark.parametrize("delivery", ["beside", "embedded"])
def test_an_engine_that_carries_its_plugin(delivery: str) -> None:
    engine = described(engine=ENGINE | {"plugin": PLUGIN | {"delivery": delivery}}).engine
    assert engine.plugin_embedded is (delivery == "embedded")
    assert described().engine.plugin_embedded is False


def test_how_an_image_is_prepared() -> None:
    prepared = described().preprocessing.by_this_release()
    assert (prepared.resize_pixels, prepared.crop_pixels) == (256, (224, 224))


def test_another_task_is_no_classifier() -> None:
    described().require_classifier(Path("x"))
    other = described(task="of a later release")
    with pytest.raises(UsageError, match="x is no classifier: its task is of a later release"):
        other.require_classifier(Path("x"))


def test_what_older_releases_read() -> None:
    def document(**changes: Any) -> dict[str, Any]:
        fields = {
            name: getattr(described(**changes), name) for name in Description.__struct_fields__
        }
        return Manifest(**fields, created="now", files={}).as_json()

    assert not {"task", "activation"} & document().keys()
    assert "activation" not in document(activation="softmax")
    assert document(activation="sigmoid")["activation"] == "sigmoid"
    assert document(task="of a later release")["task"] == "of a later release"
    manifest = msgspec.convert(
        {**DESCRIPTION, "created": "now", "files": {}, "schema_version": 1}, Manifest
    )
    assert manifest.classes == 1000


def test_the_most_files_and_the_most_classes() -> None:
    facts = {"sha256": "0" * 64, "size_bytes": 0}
    document = {**DESCRIPTION, "created": "now", "schema_version": 1}

    def read(count: int) -> Manifest:
        return msgspec.convert(
            document | {"files": {f"f{i}": facts for i in range(count)}}, Manifest
        )

    assert len(read(4096).files) == 4096
    with pytest.raises(msgspec.ValidationError, match="length <= 4096"):
        read(4097)
    with pytest.raises(msgspec.ValidationError, match="length <= 1048576"):
        described(labels=["a"] * (2**20 + 1))


def test_a_single_logit_of_pixels_stands_for_two_classes() -> None:
    one = dense_manifest("segmentation", SEGMENTATION_PREPROCESSING, logits=1)
    assert (one.num_classes, one.classes, len(one.labels or ())) == (1, 2, 2)
    fields = msgspec.to_builtins(one)
    with pytest.raises(msgspec.ValidationError, match="there are 1 labels for 2 classes"):
        msgspec.convert(fields | {"labels": fields["labels"][:1], "palette": None}, Manifest)
