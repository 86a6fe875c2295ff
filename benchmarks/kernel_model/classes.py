"""Which class and which execution pipe an instruction belongs to."""

from __future__ import annotations

from enum import StrEnum

from benchmarks.kernel_model.sass import Instruction


class Kind(StrEnum):
    """What an instruction does, as the reports count it."""

    FLOAT = "float"
    HALF = "half"
    SPECIAL = "special"
    TENSOR = "tensor"
    CONVERT = "convert"
    INTEGER = "integer"
    UNIFORM = "uniform"
    SHUFFLE = "shuffle"
    SHARED = "shared"
    GLOBAL = "global"
    LOCAL = "local"
    CONSTANT = "constant"
    CONTROL = "control"
    OTHER = "other"


class Pipe(StrEnum):
    """Where an instruction executes. The names are those of the Nsight Compute documentation."""

    FMA = "fma"
    FMA_HEAVY = "fmaheavy"  # the half of fma that also multiplies integers
    ALU = "alu"
    XU = "xu"
    LSU = "lsu"
    TENSOR = "tensor"
    UNIFORM = "uniform"
    CONTROL = "control"


_KINDS: dict[Kind, str] = {
    Kind.FLOAT: "FFMA FFMA2 FMUL FMUL2 FADD FADD2 FFMA32I FMUL32I FADD32I FMNMX FMNMX3 FSEL FSET "
    "FSETP FCHK FSWZADD",
    Kind.HALF: "HFMA2 HADD2 HMUL2 HFMA2_32I HADD2_32I HMUL2_32I HMNMX2 HSET2 HSETP2",
    Kind.SPECIAL: "MUFU",
    Kind.TENSOR: "HMMA IMMA BMMA DMMA QMMA OMMA HGMMA IGMMA QGMMA BGMMA",
    Kind.CONVERT: "F2F F2FP F2I F2IP I2F I2FP I2I I2IP FRND",
    Kind.INTEGER: "IMAD IMAD32I IMUL IADD3 IADD IADD32I IABS LEA LOP3 LOP PLOP3 ISETP IMNMX VIMNMX "
    "VIMNMX3 VIADD VIADDMNMX SEL SHF SHL SHR MOV MOV32I PRMT BREV FLO POPC BMSK SGXT LOP32I ISCADD "
    "XMAD IDP IDP4A VABSDIFF P2R R2P",
    Kind.SHUFFLE: "SHFL",
    Kind.SHARED: "LDS LDSM STS STSM ATOMS",
    Kind.GLOBAL: "LDG STG LD ST LDGSTS ATOMG ATOM RED UBLKCP UTMALDG UTMASTG LDGDEPBAR",
    Kind.LOCAL: "LDL STL",
    Kind.CONSTANT: "LDC LDCU",
    Kind.CONTROL: "BRA BRX BRXU JMP JMX EXIT RET CALL BSSY BSYNC BREAK BMOV BAR WARPSYNC NOP "
    "YIELD NANOSLEEP DEPBAR MEMBAR ERRBAR CCTL CCTLL BPT KILL WARPGROUP FENCE ELECT SYNCS RPCMOV "
    "ACQBULK PREEXIT",
    Kind.OTHER: "S2R CS2R S2UR R2UR VOTE VOTEU MATCH GETLMEMBASE LEPC NOP B2R R2B PMTRIG",
}
_KIND_OF = {mnemonic: kind for kind, names in _KINDS.items() for mnemonic in names.split()}
_FMA = "FFMA FFMA2 FMUL FMUL2 FADD FADD2 FFMA32I FMUL32I FADD32I FSWZADD"
_FMA_HEAVY = "IMAD IMAD32I IMUL IDP IDP4A XMAD"
_XU = "MUFU F2F F2I I2F FRND POPC FLO BREV F2IP I2I"
_PIPES = ((Pipe.FMA, _FMA), (Pipe.FMA_HEAVY, _FMA_HEAVY), (Pipe.XU, _XU))
_PIPE_OF = {mnemonic: pipe for pipe, names in _PIPES for mnemonic in names.split()}


def kind_of(instruction: Instruction) -> Kind:
    """The class of an instruction.

    A sum of halves with a float result is how this hardware widens halves: it is a conversion.
    """
    if instruction.opcode.startswith("HADD2.F32"):
        return Kind.CONVERT
    mnemonic = instruction.mnemonic
    if mnemonic.startswith("U") and mnemonic not in _KIND_OF:
        return Kind.UNIFORM
    return _KIND_OF.get(mnemonic, Kind.OTHER)


def pipe_of(instruction: Instruction) -> Pipe:
    """The pipe of an instruction."""
    kind, mnemonic = kind_of(instruction), instruction.mnemonic
    if kind in (Kind.SHUFFLE, Kind.SHARED, Kind.GLOBAL, Kind.LOCAL):
        return Pipe.LSU
    if kind is Kind.TENSOR:
        return Pipe.TENSOR
    if mnemonic in _PIPE_OF:
        return _PIPE_OF[mnemonic]
    if kind is Kind.HALF or mnemonic == "HADD2":
        return Pipe.FMA_HEAVY
    if kind is Kind.UNIFORM:
        return Pipe.UNIFORM
    if kind in (Kind.CONTROL, Kind.CONSTANT, Kind.OTHER):
        return Pipe.CONTROL
    return Pipe.ALU
