# The loops of rv32im.rs, for any RV32 core with multiplication.
#
# Every function takes the address of a job in a0 and keeps to the calling convention; gp and tp are
# left alone. Every value that is loaded lies in a run of inputs or of weights, whose lengths the caller
# has checked.

.macro function name
    .section .text.\name, "ax", @progbits
    .balign 4
    .globl \name
    .hidden \name
    .type \name, @function
\name:
.endm

.macro enter
    addi sp, sp, -64
    sw ra, 60(sp)
    sw s0, 56(sp)
    sw s1, 52(sp)
    sw s2, 48(sp)
    sw s3, 44(sp)
    sw s4, 40(sp)
    sw s5, 36(sp)
    sw s6, 32(sp)
    sw s7, 28(sp)
    sw s8, 24(sp)
    sw s9, 20(sp)
    sw s10, 16(sp)
    sw s11, 12(sp)
.endm

.macro leave
    lw ra, 60(sp)
    lw s0, 56(sp)
    lw s1, 52(sp)
    lw s2, 48(sp)
    lw s3, 44(sp)
    lw s4, 40(sp)
    lw s5, 36(sp)
    lw s6, 32(sp)
    lw s7, 28(sp)
    lw s8, 24(sp)
    lw s9, 20(sp)
    lw s10, 16(sp)
    lw s11, 12(sp)
    addi sp, sp, 64
    ret
.endm

# --- four pixels times three outputs, weights in plain order ------------------------------------
#
#   s0-s3, s4-s7, s8-s11   the sums of the four pixels, for each output
#   t3-t6, a2-a5           inputs: their addresses, their values
#   a6, a7, ra             addresses of weights
#   a1                     next four addresses of runs of inputs

# One weight times the four inputs.
.macro times_four run, offset, a, b, c, d
    lb t0, \offset(\run)
    mul t1, a2, t0
    add \a, \a, t1
    mul t1, a3, t0
    add \b, \b, t1
    mul t1, a4, t0
    add \c, \c, t1
    mul t1, a5, t0
    add \d, \d, t1
.endm

.macro block_tap load, offset
    \load a2, \offset(t3)
    \load a3, \offset(t4)
    \load a4, \offset(t5)
    \load a5, \offset(t6)
    times_four a6, \offset, s0, s1, s2, s3
    times_four a7, \offset, s4, s5, s6, s7
    times_four ra, \offset, s8, s9, s10, s11
.endm

.macro block_step by
    addi t3, t3, \by
    addi t4, t4, \by
    addi t5, t5, \by
    addi t6, t6, \by
    addi a6, a6, \by
    addi a7, a7, \by
    addi ra, ra, \by
.endm

.macro block name, load
function \name
    enter
    lw s0, 0(a0)
    lw s1, 4(a0)
    lw s2, 8(a0)
    lw s3, 12(a0)
    lw s4, 16(a0)
    lw s5, 20(a0)
    lw s6, 24(a0)
    lw s7, 28(a0)
    lw s8, 32(a0)
    lw s9, 36(a0)
    lw s10, 40(a0)
    lw s11, 44(a0)
    lw a6, 48(a0)
    lw a7, 52(a0)
    lw ra, 56(a0)
    lw a1, 60(a0)
1:  lw t3, 0(a1)
    lw t4, 4(a1)
    lw t5, 8(a1)
    lw t6, 12(a1)
    addi a1, a1, 16
    lw t2, 68(a0)
    add t2, t2, t3
    beq t2, t3, 3f
2:  block_tap \load, 0
    block_tap \load, 1
    block_tap \load, 2
    block_tap \load, 3
    block_step 4
    bne t3, t2, 2b
3:  lw t2, 72(a0)
    add t2, t2, t3
    beq t2, t3, 5f
4:  block_tap \load, 0
    block_step 1
    bne t3, t2, 4b
5:  lw t2, 64(a0)
    bne a1, t2, 1b
    sw s0, 0(a0)
    sw s1, 4(a0)
    sw s2, 8(a0)
    sw s3, 12(a0)
    sw s4, 16(a0)
    sw s5, 20(a0)
    sw s6, 24(a0)
    sw s7, 28(a0)
    sw s8, 32(a0)
    sw s9, 36(a0)
    sw s10, 40(a0)
    sw s11, 44(a0)
    leave
.endm

block tenfold_block_unsigned, lbu
block tenfold_block_signed, lb

# --- one run of inputs times eight outputs ------------------------------------------------------
#
#   s0-s7             sums
#   a2-a7, t3, t4     addresses of weights
#   a1                address of inputs
#
# An input of zero, frequent after ReLU, is passed over.

.macro times_one run, offset, sum
    lb t1, \offset(\run)
    mul t1, t1, t0
    add \sum, \sum, t1
.endm

.macro dense_tap load, offset
    \load t0, \offset(a1)
    beqz t0, 9f
    times_one a2, \offset, s0
    times_one a3, \offset, s1
    times_one a4, \offset, s2
    times_one a5, \offset, s3
    times_one a6, \offset, s4
    times_one a7, \offset, s5
    times_one t3, \offset, s6
    times_one t4, \offset, s7
9:
.endm

.macro dense_step by
    addi a1, a1, \by
    addi a2, a2, \by
    addi a3, a3, \by
    addi a4, a4, \by
    addi a5, a5, \by
    addi a6, a6, \by
    addi a7, a7, \by
    addi t3, t3, \by
    addi t4, t4, \by
.endm

.macro dense name, load
function \name
    enter
    lw s0, 0(a0)
    lw s1, 4(a0)
    lw s2, 8(a0)
    lw s3, 12(a0)
    lw s4, 16(a0)
    lw s5, 20(a0)
    lw s6, 24(a0)
    lw s7, 28(a0)
    lw a2, 32(a0)
    lw a3, 36(a0)
    lw a4, 40(a0)
    lw a5, 44(a0)
    lw a6, 48(a0)
    lw a7, 52(a0)
    lw t3, 56(a0)
    lw t4, 60(a0)
    lw a1, 64(a0)
    lw t2, 68(a0)
    beq a1, t2, 2f
1:  dense_tap \load, 0
    dense_tap \load, 1
    dense_tap \load, 2
    dense_tap \load, 3
    dense_tap \load, 4
    dense_tap \load, 5
    dense_tap \load, 6
    dense_tap \load, 7
    dense_step 8
    bne a1, t2, 1b
2:  lw t2, 72(a0)
    beq a1, t2, 4f
3:  dense_tap \load, 0
    dense_step 1
    bne a1, t2, 3b
4:  sw s0, 0(a0)
    sw s1, 4(a0)
    sw s2, 8(a0)
    sw s3, 12(a0)
    sw s4, 16(a0)
    sw s5, 20(a0)
    sw s6, 24(a0)
    sw s7, 28(a0)
    leave
.endm

dense tenfold_dense_unsigned, lbu
dense tenfold_dense_signed, lb

# `function`, `enter` and `leave` are left to narrow.s, which follows.
.purgem times_four
.purgem block_tap
.purgem block_step
.purgem block
.purgem times_one
.purgem dense_tap
.purgem dense_step
.purgem dense
.text
