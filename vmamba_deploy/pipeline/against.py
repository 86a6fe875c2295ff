"""Another artefact in the place of PyTorch: what files are compared with that have no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.files import shown
from vmamba_deploy.parity.compare import Progress, compare_runtimes
from vmamba_deploy.pipeline.parity import candidates
from vmamba_deploy.pipeline.source import onnx_file_of
from vmamba_deploy.precisions import PrecisionName, precision_named
from vmamba_deploy.runtimes.base import ModelFiles
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody, OnnxRuntimeLibrary

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.engine_facts import EngineFacts
    from vmamba_deploy.artifacts.manifest import TensorFacts
    from vmamba_deploy.parity.elements import Tolerance
    from vmamba_deploy.parity.inputs import InputSet
    from vmamba_deploy.parity.results import RunResult
    from vmamba_deploy.runtimes.base import Runtime


@dataclass(frozen=True)
class OtherArtefact:
    """An ONNX file, or that of a folder, which is run in ONNX Runtime on the CPU.

    Attributes:
        path: as the user named it.
        facts: of the file.
    """

    path: Path
    facts: OnnxModel

    @classmethod
    def read(cls, path: Path) -> OtherArtefact:
        """Read it; a folder is verified first.

        Raises:
            InputFileError: not an ONNX file, or a folder without one.
            IntegrityError: the folder is not what its manifest says.
        """
        return cls(path, OnnxModel.read(onnx_file_of(path)))

    @property
    def title(self) -> str:
        """For tables and sentences."""
        return shown(self.path)

    @property
    def runtime(self) -> Runtime:
        """ONNX Runtime, with our library where the file has ops of ours."""
        if self.facts.our_nodes:
            return OnnxRuntimeLibrary(self.facts, library=ModelFiles(self.facts).library)
        return OnnxRuntimeBody(self.facts)

    def limits_with(self, facts: OnnxModel) -> PrecisionName:
        """The precision of both files whose limits are wider."""
        both = [precision_named(one.precision) for one in (facts, self.facts)]
        return max(both, key=lambda one: (one.thresholds.nmse, one.thresholds.max_spread)).name

    def narrower(self, facts: OnnxModel) -> OnnxModel:
        """The file of both whose inputs the other one takes too.

        Raises:
            InputFileError: they take other inputs, or other sizes, or give other outputs.
        """
        ours = {one.name: one for one in facts.inputs}
        theirs = {one.name: one for one in self.facts.inputs}
        if ours.keys() != theirs.keys():
            raise InputFileError(
                f"{facts.path} takes {', '.join(ours)}, and {self.facts.path} takes "
                f"{', '.join(theirs)}: nothing can be given to both"
            )
        for name, one in ours.items():
            self._check_fits("input", facts, one, theirs[name])
        given = {one.name: one for one in self.facts.outputs}
        for output in facts.outputs:
            if output.name not in given:
                raise InputFileError(
                    f"{self.facts.path} has no output {output.name}, as {facts.path} has"
                )
            self._check_fits("output", facts, output, given[output.name], dtype=False)
        sides = [(one.shape, theirs[name].shape) for name, one in ours.items()]
        pairs = [pair for a, b in sides for pair in zip(a, b, strict=True)]
        fixed_there = [a for a, b in pairs if isinstance(a, str) and isinstance(b, int)]
        fixed_here = [a for a, b in pairs if isinstance(a, int) and isinstance(b, str)]
        if fixed_here and fixed_there:
            raise InputFileError(
                f"{facts.path} fixes sizes that {self.facts.path} leaves free, and the other way "
                "round: no sizes are known that both take",
                hint="export one of them with the sizes of the other",
            )
        return self.facts if fixed_there else facts

    def _check_fits(
        self,
        what: str,
        facts: OnnxModel,
        one: TensorFacts,
        other: TensorFacts,
        *,
        dtype: bool = True,
    ) -> None:
        """Refuse tensors of other sizes; of inputs, of other types too."""
        same = len(one.shape) == len(other.shape) and all(
            a == b
            for a, b in zip(one.shape, other.shape, strict=True)
            if isinstance(a, int) and isinstance(b, int)
        )
        if same and (one.dtype == other.dtype or not dtype):
            return
        raise InputFileError(
            f"the {what} {one.name} is {_tensor(one)} in {facts.path} and {_tensor(other)} in "
            f"{self.facts.path}: they cannot be compared"
        )


def check_against(
    facts: OnnxModel,
    other: OtherArtefact,
    inputs: Sequence[InputSet],
    *,
    engine: EngineFacts,
    progress: Progress,
    required: Sequence[str] = (),
    tolerance: Tolerance | None = None,
) -> tuple[RunResult, ...]:
    """Compare every runtime that can execute the files with another artefact in ONNX Runtime.

    Args:
        facts: of the ONNX file on disk; the engine, if built, is `model.engine` beside it.
        other: takes the place of PyTorch.
        inputs: that both take.
        engine, progress, required, tolerance: see `check_parity`.

    Raises:
        EnvironmentProblem: ONNX Runtime is not installed.
        InputFileError: the other one gives outputs that are not finite.
    """
    results = compare_runtimes(
        other.runtime,
        candidates(ModelFiles(facts, engine=engine), required),
        inputs,
        other.limits_with(facts),
        task=facts.task,
        progress=progress,
        tolerance=tolerance,
    )
    return tuple(results)


def _tensor(one: TensorFacts) -> str:
    return f"{one.dtype}[{','.join(map(str, one.shape))}]"
