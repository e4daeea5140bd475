# The loops of narrow.rs: two outputs of four pixels.
#
#   a1, s9            next word of the patch, and its end
#   a2-a7             words of the patch that a row of the kernel meets
#   t3, t4            next weights of the two outputs
#   s0-s3, s4-s7      for each output: all products of the left pair of pixels, their upper halves, and the
#                     same of the right pair
#   s8                2^15, which rounds a lower half away
#   s10, t6, s11, ra  next bias, shift, place of a result, sums
#
# What does not fit stays in the job.

# Adds a word of products to all of them, and its upper half to the upper halves.
.macro split all, upper, products
    add \all, \all, \products
    add \products, \products, s8
    srai \products, \products, 16
    add \upper, \upper, \products
.endm

# One weight times a word of the left pair and one of the right.
.macro narrow_tap weights, offset, left, right
    lb t2, \offset(\weights)
    mul t5, \left, t2
    add t0, t0, t5
    mul t5, \right, t2
    add t1, t1, t5
.endm

.macro narrow_first weights, offset, left, right
    lb t2, \offset(\weights)
    mul t0, \left, t2
    mul t1, \right, t2
.endm

# e, f and g are the words that the right pair meets.
.macro narrow_output_3 weights, row, a, b, c, d, e, f, g
    narrow_first \weights, \row*3, a2, \e
    narrow_tap \weights, \row*3+1, a3, \f
    narrow_tap \weights, \row*3+2, a4, \g
    split \a, \b, t0
    split \c, \d, t1
.endm

# As narrow_output_3, taken apart after two weights.
.macro narrow_wide_3 weights, row, a, b, c, d, e, f, g
    narrow_first \weights, \row*3, a2, \e
    narrow_tap \weights, \row*3+1, a3, \f
    split \a, \b, t0
    split \c, \d, t1
    narrow_first \weights, \row*3+2, a4, \g
    split \a, \b, t0
    split \c, \d, t1
.endm

.macro narrow_row_3 output, row
    lw a2, \row*16(a1)
    lw a3, \row*16+4(a1)
    lw a4, \row*16+8(a1)
    lw a5, \row*16+12(a1)
    narrow_\output\()_3 t3, \row, s0, s1, s2, s3, a3, a4, a5
    narrow_\output\()_3 t4, \row, s4, s5, s6, s7, a3, a4, a5
.endm

# At stride 2 the right pair starts two words after the left one.
.macro narrow_row_3_by_2 output, row
    lw a2, \row*20(a1)
    lw a3, \row*20+4(a1)
    lw a4, \row*20+8(a1)
    lw a5, \row*20+12(a1)
    lw a6, \row*20+16(a1)
    narrow_\output\()_3 t3, \row, s0, s1, s2, s3, a4, a5, a6
    narrow_\output\()_3 t4, \row, s4, s5, s6, s7, a4, a5, a6
.endm

.macro narrow_channel_3_by_2 output
    narrow_row_3_by_2 \output, 0
    narrow_row_3_by_2 \output, 1
    narrow_row_3_by_2 \output, 2
.endm

.macro narrow_channel_3 output
    narrow_row_3 \output, 0
    narrow_row_3 \output, 1
    narrow_row_3 \output, 2
.endm

.macro narrow_output_5 weights, row, a, b, c, d
    narrow_first \weights, \row*5, a2, a3
    narrow_tap \weights, \row*5+1, a3, a4
    narrow_tap \weights, \row*5+2, a4, a5
    narrow_tap \weights, \row*5+3, a5, a6
    narrow_tap \weights, \row*5+4, a6, a7
    split \a, \b, t0
    split \c, \d, t1
.endm

.macro narrow_wide_5 weights, row, a, b, c, d
    narrow_first \weights, \row*5, a2, a3
    narrow_tap \weights, \row*5+1, a3, a4
    split \a, \b, t0
    split \c, \d, t1
    narrow_first \weights, \row*5+2, a4, a5
    narrow_tap \weights, \row*5+3, a5, a6
    split \a, \b, t0
    split \c, \d, t1
    narrow_first \weights, \row*5+4, a6, a7
    split \a, \b, t0
    split \c, \d, t1
.endm

.macro narrow_row_5 output, row
    lw a2, \row*24(a1)
    lw a3, \row*24+4(a1)
    lw a4, \row*24+8(a1)
    lw a5, \row*24+12(a1)
    lw a6, \row*24+16(a1)
    lw a7, \row*24+20(a1)
    narrow_\output\()_5 t3, \row, s0, s1, s2, s3
    narrow_\output\()_5 t4, \row, s4, s5, s6, s7
.endm

.macro narrow_channel_5 output
    narrow_row_5 \output, 0
    narrow_row_5 \output, 1
    narrow_row_5 \output, 2
    narrow_row_5 \output, 3
    narrow_row_5 \output, 4
.endm

# All channels of the patch.
.macro narrow_channels name, output, weights, words
3:  narrow_channel_\name \output
    addi t3, t3, \weights
    addi t4, t4, \weights
    addi a1, a1, \words*4
    bne a1, s9, 3b
    tail tenfold_narrow_tail
.endm

# Where the tail goes on with the next two outputs, and what stays in registers.
.macro narrow_start
    enter
    lla t0, 1f
    sw t0, 52(a0)
    lw s10, 16(a0)
    lw ra, 24(a0)
    lw t6, 28(a0)
    lw s11, 32(a0)
.endm

.macro narrow name, weights, words
function tenfold_narrow_\name
    narrow_start
    lui s8, 8
1:  lw t3, 8(a0)
    lw t0, 12(a0)
    lw t1, 20(a0)
    addi t2, s10, 4
    add t4, t3, t0
    add t0, t4, t0
    sw t0, 8(a0)
    # The last of an odd number of outputs is its own neighbour.
    bne t2, t1, 2f
    mv t4, t3
2:  lw t5, 56(a0)
    lw a1, 0(a0)
    lw s9, 4(a0)
    add t0, t3, t5
    add t1, t4, t5
    lbu t0, 0(t0)
    lbu t1, 0(t1)
    li s0, 0
    li s1, 0
    li s2, 0
    li s3, 0
    li s4, 0
    li s5, 0
    li s6, 0
    li s7, 0
    or t0, t0, t1
    bnez t0, 4f
    narrow_channels \name, output, \weights, \words
4:  narrow_channels \name, wide, \weights, \words
.endm

narrow 3, 9, 12
narrow 3_by_2, 9, 15
narrow 5, 25, 30

# The sums of all outputs to results.
function tenfold_narrow_finish
    narrow_start
1:  lw t1, 20(a0)
    addi t2, s10, 4
    lw s0, 0(ra)
    lw s2, 4(ra)
    lw s1, 8(ra)
    lw s3, 12(ra)
    beq t2, t1, 2f
    lw s4, 16(ra)
    lw s6, 20(ra)
    lw s5, 24(ra)
    lw s7, 28(ra)
2:  addi ra, ra, 32
    tail tenfold_narrow_results

# From here on: s0, s2, s1, s3 are the sums of an output's pixels 0 to 3, a2 is 256, a3 is added before
# saturation to 0..=255, a4 is 1, a7 the end of the biases.

# Rounds half to even as arithmetic.rs does. For a shift of 0 the lowest bit of 1 << shift, in t2, stands in
# for the parity. t5 is half of that less 1, t1 the shift.
.macro narrow_round value
    sra t3, \value, t1
    or t3, t3, t2
    andi t3, t3, 1
    add \value, \value, t3
    add \value, \value, t5
    sra \value, \value, t1
    add \value, \value, a3
    bltu \value, a2, 7f
    not \value, \value
    srai \value, \value, 31
7:
.endm

# The bias to t0, and what narrow_round needs.
.macro narrow_bias
    lw t0, 0(s10)
    lbu t1, 0(t6)
    addi s10, s10, 4
    addi t6, t6, 1
    sll t2, a4, t1
    srli t5, t2, 1
    addi t5, t5, -1
.endm

.macro narrow_pooled a, b, c, d
    bge \a, \b, 7f
    mv \a, \b
7:  bge \c, \d, 7f
    mv \c, \d
7:  bge \a, \c, 7f
    mv \a, \c
7:  narrow_bias
    add \a, \a, t0
    narrow_round \a
    sb \a, 0(s11)
    addi s11, s11, 1
.endm

.macro narrow_pixel value
    add \value, \value, t0
    narrow_round \value
    sb \value, 0(a1)
    add a1, a1, a6
    beq a1, s9, 8f
.endm

.macro narrow_pixels a, b, c, d
    narrow_bias
    mv a1, s11
    add s9, s11, a5
    narrow_pixel \a
    narrow_pixel \b
    narrow_pixel \c
    narrow_pixel \d
8:  addi s11, s11, 1
.endm

.macro narrow_sum value, offset
    lw t0, \offset(ra)
    add t0, t0, \value
    sw t0, \offset(ra)
.endm

.macro narrow_sums a, b, c, d
    narrow_sum \a, 0
    narrow_sum \b, 4
    narrow_sum \c, 8
    narrow_sum \d, 12
    addi ra, ra, 16
    addi s10, s10, 4
.endm

# The two sums that are in one word, to one register each.
.macro part all, upper
    slli t0, \upper, 16
    sub \all, \all, t0
.endm

function tenfold_narrow_tail
    part s0, s1
    part s2, s3
    part s4, s5
    part s6, s7
    .globl tenfold_narrow_results
    .hidden tenfold_narrow_results
tenfold_narrow_results:
    lw t0, 48(a0)
    lw a7, 20(a0)
    lw a3, 44(a0)
    li a2, 256
    li a4, 1
    beq t0, a4, 4f
    bnez t0, 5f
    narrow_pooled s0, s1, s2, s3
    beq s10, a7, 6f
    narrow_pooled s4, s5, s6, s7
    bne s10, a7, 9f
    j 6f
4:  lw a5, 36(a0)
    lw a6, 40(a0)
    narrow_pixels s0, s2, s1, s3
    beq s10, a7, 6f
    narrow_pixels s4, s6, s5, s7
    bne s10, a7, 9f
    j 6f
5:  narrow_sums s0, s2, s1, s3
    beq s10, a7, 6f
    narrow_sums s4, s6, s5, s7
    beq s10, a7, 6f
9:  lw t0, 52(a0)
    jr t0
6:  leave

# --- from bytes to words ------------------------------------------------------------------------
#
#   a0      the job; then the words' place in the next plane
#   a1      bytes from a plane to the next
#   a2      0x00800080
#   t6      where the first address stops
#
# The word of two pixels is the sum of both, one of them shifted, less 128 for each.

# A word of two bytes, of which the first is not needed any more.
.macro pack low, high, offset
    slli t5, \high, 16
    add \low, \low, t5
    sub \low, \low, a2
    sw \low, \offset(a0)
.endm

# Under a pool: a column of rows a3-a6 (and s0, s1), words of neighbouring rows. a7 is the distance of columns
# less that of channels, ra the word of the column, s11 the number of channels, s10 the columns left.
.macro widen_pooled side
function tenfold_narrow_widen_pooled_\side
    enter
    lw t0, 0(a0)
    lw t1, 4(a0)
    lw a3, 0(t0)
    lw a4, 4(t0)
    lw a5, 8(t0)
    lw a6, 12(t0)
    add a3, a3, t1
    add a4, a4, t1
    add a5, a5, t1
    add a6, a6, t1
    .if \side == 5
    lw s0, 16(t0)
    lw s1, 20(t0)
    add s0, s0, t1
    add s1, s1, t1
    .endif
    lw ra, 8(a0)
    lw s11, 12(a0)
    lw a1, 16(a0)
    lw a7, 20(a0)
    li a2, 0x00800080
    li s10, \side+1
1:  add t6, a3, s11
    mv a0, ra
2:  lbu t0, 0(a3)
    lbu t1, 0(a4)
    lbu t2, 0(a5)
    lbu t3, 0(a6)
    addi a3, a3, 1
    addi a4, a4, 1
    addi a5, a5, 1
    addi a6, a6, 1
    pack t0, t1, 0
    pack t1, t2, (\side+1)*4
    pack t2, t3, (\side+1)*8
    .if \side == 5
    lbu t0, 0(s0)
    lbu t1, 0(s1)
    addi s0, s0, 1
    addi s1, s1, 1
    pack t3, t0, (\side+1)*12
    pack t0, t1, (\side+1)*16
    .endif
    add a0, a0, a1
    bne a3, t6, 2b
    add a3, a3, a7
    add a4, a4, a7
    add a5, a5, a7
    add a6, a6, a7
    .if \side == 5
    add s0, s0, a7
    add s1, s1, a7
    .endif
    addi ra, ra, 4
    addi s10, s10, -1
    bnez s10, 1b
    leave
.endm

widen_pooled 3
widen_pooled 5

# A row of the kernel, without a pool: columns a3-a7 and s0 (to s2), words of a column and the next but one. ra is
# the word of the row, s11 the number of channels, s10 the rows left, s9 the next row's address, s8 that of the columns' offsets.
.macro widen_single side
function tenfold_narrow_widen_single_\side
    enter
    lw s8, 24(a0)
    lw s9, 0(a0)
    lw ra, 8(a0)
    lw s11, 12(a0)
    lw a1, 16(a0)
    li a2, 0x00800080
    li s10, \side
1:  lw t5, 0(s9)
    lw a3, 0(s8)
    lw a4, 4(s8)
    lw a5, 8(s8)
    lw a6, 12(s8)
    lw a7, 16(s8)
    lw s0, 20(s8)
    add a3, a3, t5
    add a4, a4, t5
    add a5, a5, t5
    add a6, a6, t5
    add a7, a7, t5
    add s0, s0, t5
    .if \side == 5
    lw s1, 24(s8)
    lw s2, 28(s8)
    add s1, s1, t5
    add s2, s2, t5
    .endif
    add t6, a3, s11
    mv a0, ra
2:  lbu t0, 0(a3)
    lbu t1, 0(a4)
    lbu t2, 0(a5)
    lbu t3, 0(a6)
    lbu t4, 0(a7)
    addi a3, a3, 1
    addi a4, a4, 1
    addi a5, a5, 1
    addi a6, a6, 1
    addi a7, a7, 1
    pack t0, t2, 0
    pack t1, t3, 4
    lbu t0, 0(s0)
    addi s0, s0, 1
    pack t2, t4, 8
    pack t3, t0, 12
    .if \side == 5
    lbu t1, 0(s1)
    lbu t2, 0(s2)
    addi s1, s1, 1
    addi s2, s2, 1
    pack t4, t1, 16
    pack t0, t2, 20
    .endif
    add a0, a0, a1
    bne a3, t6, 2b
    addi ra, ra, (\side+1)*4
    addi s9, s9, 4
    addi s10, s10, -1
    bnez s10, 1b
    leave
.endm

widen_single 3
widen_single 5

# As widen_single for stride 2: columns a3-a7 and s0-s3, words of a column and the fourth after it.
function tenfold_narrow_widen_single_3_by_2
    enter
    lw s8, 24(a0)
    lw s9, 0(a0)
    lw ra, 8(a0)
    lw s11, 12(a0)
    lw a1, 16(a0)
    li a2, 0x00800080
    li s10, 3
1:  lw t5, 0(s9)
    lw a3, 0(s8)
    lw a4, 4(s8)
    lw a5, 8(s8)
    lw a6, 12(s8)
    lw a7, 16(s8)
    lw s0, 20(s8)
    lw s1, 24(s8)
    lw s2, 28(s8)
    lw s3, 32(s8)
    add a3, a3, t5
    add a4, a4, t5
    add a5, a5, t5
    add a6, a6, t5
    add a7, a7, t5
    add s0, s0, t5
    add s1, s1, t5
    add s2, s2, t5
    add s3, s3, t5
    add t6, a3, s11
    mv a0, ra
2:  lbu t0, 0(a3)
    lbu t1, 0(a4)
    lbu t2, 0(a5)
    lbu t3, 0(a6)
    lbu t4, 0(a7)
    addi a3, a3, 1
    addi a4, a4, 1
    addi a5, a5, 1
    addi a6, a6, 1
    addi a7, a7, 1
    pack t0, t4, 0
    lbu t0, 0(s0)
    addi s0, s0, 1
    pack t1, t0, 4
    lbu t0, 0(s1)
    addi s1, s1, 1
    pack t2, t0, 8
    lbu t0, 0(s2)
    addi s2, s2, 1
    pack t3, t0, 12
    lbu t0, 0(s3)
    addi s3, s3, 1
    pack t4, t0, 16
    add a0, a0, a1
    bne a3, t6, 2b
    addi ra, ra, 20
    addi s9, s9, 4
    addi s10, s10, -1
    bnez s10, 1b
    leave

.purgem function
.purgem enter
.purgem leave
.purgem split
.purgem narrow_tap
.purgem narrow_first
.purgem narrow_output_3
.purgem narrow_wide_3
.purgem narrow_row_3
.purgem narrow_row_3_by_2
.purgem narrow_channel_3_by_2
.purgem narrow_channel_3
.purgem narrow_output_5
.purgem narrow_wide_5
.purgem narrow_row_5
.purgem narrow_channel_5
.purgem narrow_channels
.purgem narrow_start
.purgem narrow
.purgem narrow_round
.purgem narrow_bias
.purgem narrow_pooled
.purgem narrow_pixel
.purgem narrow_pixels
.purgem narrow_sum
.purgem narrow_sums
.purgem part
.purgem pack
.purgem widen_pooled
.purgem widen_single
.text
