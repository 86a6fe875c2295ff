"""Reading the disassembler's text, without a compiler."""

from __future__ import annotations

from benchmarks.kernel_model.flow import flow_graph
from benchmarks.kernel_model.sass import functions, resources

# nvdisasm's form; upper words: stall 4; stall 1, sets board 0; stall 2, waits for board 0; stall 5.
LISTING = """
	.section	.text.walk,"ax",@progbits
        .type           walk,@function
        .size           walk,(.L_x_9 - walk)
        .other          walk,@"STO_CUDA_ENTRY STV_DEFAULT"
walk:
.text.walk:
	//## File "/a/scan.cuh", line 12 inlined at "/a/main.cu", line 40
	//## File "/a/main.cu", line 40
        /*0000*/                   MOV R1, c[0x0][0x28] ;        /* 0x0000000000000000 */
                                                                 /* 0x000fc80000000000 */
.L_x_1:
        /*0010*/                   MUFU.EX2 R2, R1 ;             /* 0x0000000000000000 */
                                                                 /* 0x000e220000000000 */
	//## File "/a/main.cu", line 41
        /*0020*/                   FADD R1, R2, 1 ;              /* 0x0000000000000000 */
                                                                 /* 0x001fc40000000000 */
        /*0030*/              @!P0 BRA `(.L_x_1) ;               /* 0x0000000000000000 */
                                                                 /* 0x000fea0000000000 */
        /*0040*/                   EXIT ;                        /* 0x0000000000000000 */
                                                                 /* 0x000fea0000000000 */
.L_x_9:
"""
PTXAS = """ptxas info    : Compiling entry function 'walk' for 'sm_90'
ptxas info    : Function properties for walk
    96 bytes stack frame, 84 bytes spill stores, 92 bytes spill loads
ptxas info    : Used 128 registers, used 16 barriers, 96 bytes cumulative stack size, 512 bytes smem
"""


def test_fields_of_an_instruction():
    (function,) = functions(LISTING)
    assert (function.name, function.entry) == ("walk", True)
    move, special, add, branch, leave = function.instructions
    assert (special.opcode, special.mnemonic, special.offset) == ("MUFU.EX2", "MUFU", 16)
    assert (special.stall, special.write_scoreboard, special.waits) == (1, 0, 0)
    assert (add.stall, add.write_scoreboard, add.waits) == (2, 7, 1)
    assert (branch.predicate, branch.targets, branch.stall) == ("@!P0", [".L_x_1"], 5)
    assert move.stall == 4
    assert leave.opcode == "EXIT"


def test_source_lines_include_the_calls_that_were_inlined():
    instructions = functions(LISTING)[0].instructions
    assert instructions[1].lines == (("/a/scan.cuh", 12), ("/a/main.cu", 40))
    assert instructions[2].lines == (("/a/main.cu", 41),)


def test_a_loop_of_one_block():
    graph = flow_graph(functions(LISTING)[0])
    (loop,) = graph.loops
    assert (loop.header, loop.blocks) == (1, {1})
    assert graph.outside() == {0, 4}


def test_what_ptxas_says_of_a_kernel():
    used = resources(PTXAS)["walk"]
    assert (used.registers, used.barriers, used.static_shared_bytes) == (128, 16, 512)
    assert (used.stack_bytes, used.spill_store_bytes, used.spill_load_bytes) == (96, 84, 92)
