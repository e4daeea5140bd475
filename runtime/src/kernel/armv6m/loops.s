@ The loops of armv6m.rs, for Armv6-M.
@
@ Most instructions take r0-r7 only; ADD, MOV and CMP take all registers. So sums are in r8-r11 and
@ everything else below.

.syntax unified
.thumb

.macro function name
    .section .text.\name, "ax", %progbits
    .balign 4
    .globl \name
    .hidden \name
    .thumb_func
    .type \name, %function
\name:
.endm

@ Saves r4-r11, and r0 below them.
.macro enter
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r0, r4-r7}
.endm

.macro leave
    pop {r0, r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
.endm

@ The job's fields, see planar.rs.
.set RUN_STEP, 16
.set SUMS, 20
.set MULTIPLY, 24
.set PATCH, 28
.set FINISH, 32
.set OUT, 36
.set OUT_END, 40
.set BIAS, 44
.set SHIFTS, 48
.set OFFSET, 52
.set ACROSS, 56
.set NEXT_PAIR, 60
.set WEIGHTS, 64
.set LOOP, 68
.set ADD_UP, 72
.set GAP, 76
.set PLANE_WEIGHTS, 80
.set PLANE_BYTES, 84
.set TABLE, 88
.set ZERO, 112
.set BLOCK_BYTES, 116
.set PATCH_END, 120

@ Goes on with the next output channels of a piece that was widened by tenfold_planar.
function tenfold_planar_next
    enter
    ldr r1, [r0, #PATCH_END]
    mov r12, r1
    b .Loutputs
@ One piece of the input of a block of pixels: widens it, then multiplies it with every output channel.
@ Returns null where the whole block's output is known without, else the job.
    .globl tenfold_planar
    .hidden tenfold_planar
    .thumb_func
    .type tenfold_planar, %function
    .balign 4
tenfold_planar:
    enter
    ldr r7, [r0, #PATCH]
    adds r0, #TABLE
    ldmia r0!, {r1-r6}
    mov r9, r1
    mov lr, r2
    mov r8, r3
    adr r1, .Lwiden_words
    adds r1, r1, r4
    mov r10, r1
    movs r2, r5
    mov r12, r6
    movs r1, #0
    mov r11, r1
    @ r2 offset in a row, r3 next row of the table, r4 whether anything was not zero, r5 left pixel, r6 from
    @ it to the right one, r7 words; r8 from a column to the next, r9 table, r10 where to start
    @ among the words, r11 weights from the last plane that was kept, r12 end of the offset, lr end of
    @ the table.
1:  mov r3, r9
    mov r0, r11
    stmia r7!, {r0}
    movs r4, #0
2:  ldmia r3!, {r5, r6}
    adds r5, r5, r2
    mov pc, r10
    .balign 4
.Lwiden_words:
    .rept 6
    ldrb r0, [r5]
    ldrb r1, [r5, r6]
    add r5, r8
    lsls r1, r1, #16
    orrs r0, r0, r1
    stmia r7!, {r0}
    orrs r4, r4, r0
    .endr
    cmp r3, lr
    bne 2b
    ldr r0, [sp]
    ldr r1, [r0, #PLANE_WEIGHTS]
    cmp r4, #0
    beq 6f
    mov r11, r1
3:  adds r2, #1
    cmp r2, r12
    bne 1b
    mov r12, r7
    ldr r1, [r0, #GAP]
    add r1, r11
    str r1, [r0, #RUN_STEP]
    @ The sums of both pairs of windows, in halves, to r6 and r5.
    movs r5, #0
    movs r6, #0
    ldr r1, [r0, #LOOP]
    ldr r2, [r0, #ADD_UP]
    ldr r4, [r0, #PATCH]
    cmp r4, r7
    beq 7f
4:  str r1, [r0, #MULTIPLY]
    movs r7, r4
    blx r2
    @ They are what a weight of 1 would yield; -128 times that is what every output starts with.
    lsls r0, r6, #7
    rsbs r0, r0, #0
    lsrs r1, r6, #16
    lsls r1, r1, #7
    rsbs r1, r1, #0
    lsls r2, r5, #7
    rsbs r2, r2, #0
    lsrs r3, r5, #16
    lsls r3, r3, #7
    rsbs r3, r3, #0
    ldr r4, [sp]
    stmia r4!, {r0-r3}
    mov r1, r12
    str r1, [r4, #PATCH_END - 16]
.Loutputs:
    ldr r4, [sp]
    ldr r6, [r4, #WEIGHTS]
    ldr r5, [r4, #RUN_STEP]
    subs r6, r6, r5
    @ r8 and r10 sums of the products of pairs, r9 and r11 of their upper halves; r6 weights, r7 words.
1:  ldr r7, [sp]
    ldmia r7!, {r0-r5}
    adds r6, r6, r4
    cmp r5, #0
    bne 5f
2:  mov r8, r0
    mov r9, r1
    mov r10, r2
    mov r11, r3
    ldmia r7, {r5, r7}
    blx r5
    ldr r7, [sp]
    ldr r5, [r7, #FINISH]
    blx r5
    bne 1b
    leave
    @ Goes on with the sums of the pieces before this one.
5:  ldr r4, [r5]
    adds r0, r0, r4
    ldr r4, [r5, #4]
    adds r1, r1, r4
    ldr r4, [r5, #8]
    adds r2, r2, r4
    ldr r4, [r5, #12]
    adds r3, r3, r4
    adds r5, #16
    ldr r4, [sp]
    str r5, [r4, #SUMS]
    b 2b
    @ A plane of zeros is dropped, and its weights are passed over.
6:  add r11, r1
    ldr r1, [r0, #PLANE_BYTES]
    subs r7, r7, r1
    b 3b
    @ All is zero. If that was so under another block of this row, its output is this one's as well.
7:  ldr r1, [r0, #SUMS]
    cmp r1, #0
    bne 9f
    ldr r1, [r0, #ZERO]
    ldr r2, [r0, #OUT]
    cmp r1, #0
    beq 8f
    ldr r3, [r0, #BLOCK_BYTES]
1:  subs r3, #1
    ldrb r4, [r1, r3]
    strb r4, [r2, r3]
    bne 1b
    str r3, [sp]
    leave
8:  str r2, [r0, #ZERO]
9:  adr r1, .Lnothing
    adds r1, #1
    movs r2, r1
    b 4b
    .balign 4
.Lnothing:
    bx lr

@ Goes on to the next output, whose address was in \out, and compares it with the end. r7 job.
.macro next_output out, scratch
    adds \out, #1
    str \out, [r7, #OUT]
    ldr \scratch, [r7, #OUT_END]
    cmp \out, \scratch
.endm

@ After a piece that is not the last: keeps the sums. Like the other two that end an output: r7 job, r6
@ stays; returns whether that was not the last output, in the flags.
function tenfold_planar_keep
    ldr r5, [r7, #SUMS]
    subs r5, #16
    mov r0, r8
    mov r1, r9
    mov r2, r10
    mov r3, r11
    stmia r5!, {r0-r3}
    ldr r5, [r7, #OUT]
    next_output r5, r4
    bx lr

@ Separates the sums of a pair: of the lower pixel to \low, of the upper one to \high.
.macro separate low, high, all, upper, scratch
    mov \low, \all
    mov \high, \upper
    lsls \scratch, \high, #16
    subs \low, \low, \scratch
.endm

@ What rounding adds for the shift in r4, to r5; -1 for a shift of 0, which the caller prevents.
.macro almost_half
    movs r5, #1
    lsls r5, r5, r4
    lsrs r5, r5, #1
    subs r5, #1
.endm

@ Rounds half to even as arithmetic.rs does: the parity of the quotient is the carry. Then saturates.
.macro requantize value, scratch, offset
    movs \scratch, \value
    asrs \scratch, \scratch, r4
    lsrs \scratch, \scratch, #1
    adcs \value, \value, r5
    asrs \value, \value, r4
    add \value, \offset
    lsrs \scratch, \value, #8
    beq 9f
    mvns \value, \value
    asrs \value, \value, #31
9:
.endm

@ The largest of four sums, to a byte.
function tenfold_planar_pooled
    separate r0, r1, r8, r9, r2
    separate r2, r3, r10, r11, r4
    cmp r0, r1
    bge 1f
    movs r0, r1
1:  cmp r0, r2
    bge 1f
    movs r0, r2
1:  cmp r0, r3
    bge 1f
    movs r0, r3
1:  mov r8, r6
    ldr r6, [r7, #OUT]
    lsls r1, r6, #2
    ldr r2, [r7, #BIAS]
    ldr r1, [r1, r2]
    adds r0, r0, r1
    ldr r4, [r7, #SHIFTS]
    ldrb r4, [r6, r4]
    ldr r3, [r7, #OFFSET]
    cmp r4, #0
    bne 1f
    @ A shift of 0 is a shift of 1 after doubling.
    lsls r0, r0, #1
    movs r4, #1
1:  almost_half
    requantize r0, r1, r3
    strb r0, [r6]
    next_output r6, r4
    mov r6, r8
    bx lr

@ Four sums, or two where there is no second pair (and NEXT_PAIR overflows when doubled), to bytes.
function tenfold_planar_single
    separate r0, r1, r8, r9, r4
    separate r2, r3, r10, r11, r4
    mov r11, r6
    ldr r5, [r7, #OFFSET]
    mov r8, r5
    ldr r5, [r7, #ACROSS]
    mov r9, r5
    ldr r5, [r7, #NEXT_PAIR]
    mov r10, r5
    ldr r6, [r7, #OUT]
    lsls r4, r6, #2
    ldr r5, [r7, #BIAS]
    ldr r4, [r4, r5]
    adds r0, r0, r4
    adds r1, r1, r4
    adds r2, r2, r4
    adds r3, r3, r4
    ldr r4, [r7, #SHIFTS]
    ldrb r4, [r6, r4]
    cmp r4, #0
    bne 1f
    lsls r0, r0, #1
    lsls r1, r1, #1
    lsls r2, r2, #1
    lsls r3, r3, #1
    movs r4, #1
1:  almost_half
    requantize r0, r7, r8
    strb r0, [r6]
    add r6, r9
    requantize r1, r7, r8
    strb r1, [r6]
    mov r0, r10
    adds r0, r0, r0
    bvs 1f
    add r6, r10
    requantize r2, r7, r8
    strb r2, [r6]
    add r6, r9
    requantize r3, r7, r8
    strb r3, [r6]
1:  ldr r7, [sp]
    ldr r6, [r7, #OUT]
    next_output r6, r4
    mov r6, r11
    bx lr

@ Adds the products of the pairs of pixels in \pixels, a pair of them, and one weight to a pair of sums.
@ The product is made in \product, one of its factors.
.macro multiply product, factor, all, upper
    muls \product, \factor, \product
    add \all, \product
    lsrs \product, \product, #16
    add \upper, \product
.endm

@ The weight at \place with the words that it meets in both pairs of windows. Whichever is needed no
@ more is overwritten: the first word, then the weight.
.macro weight place, first, second
    ldrb r0, [r6, #\place]
    multiply \first, r0, r8, r9
    multiply r0, \second, r10, r11
.endm

.macro weight_of_one_pair place, first
    ldrb r0, [r6, #\place]
    multiply \first, r0, r8, r9
.endm

@ A row of words; before the first row of a plane is the step from the weights of the plane before.
.macro words place, last
    .if \place
    ldmia r7!, {r1-\last}
    .else
    ldmia r7!, {r0-\last}
    .endif
.endm

.macro step place
    .if \place == 0
    adds r6, r6, r0
    .endif
.endm

@ The last instructions of functions for planes: r6 weights, r7 words, r12 end of the words.
.macro end_planes
    cmp r7, r12
    bne 1b
    bx lr
.endm

@ As end_planes, for a loop that is too long for a conditional branch.
.macro end_long_planes
    cmp r7, r12
    beq 2f
    b 1b
2:  bx lr
.endm

@ Each loop over planes is followed by one that adds up the words that the windows of each pair meet, to
@ r6 and r5.

@ 3 x 3, two pairs a column apart.
function tenfold_planar_3
1:
    .irp at, 0, 3, 6
    words \at, r4
    step \at
    weight \at, r1, r2
    weight \at+1, r2, r3
    weight \at+2, r3, r4
    .endr
    end_planes

function tenfold_planar_3_sums
1:
    .irp at, 0, 3, 6
    words \at, r4
    adds r2, r2, r3
    adds r6, r6, r1
    adds r6, r6, r2
    adds r5, r5, r2
    adds r5, r5, r4
    .endr
    end_planes

@ 3 x 3, two pairs two columns apart.
function tenfold_planar_3_stride_2
1:
    .irp at, 0, 3, 6
    words \at, r5
    step \at
    weight \at, r1, r3
    weight \at+1, r2, r4
    weight \at+2, r3, r5
    .endr
    end_planes

function tenfold_planar_3_stride_2_sums
1:
    .irp at, 0, 3, 6
    words \at, r4
    adds r6, r6, r1
    adds r6, r6, r2
    adds r6, r6, r3
    adds r5, r5, r3
    adds r5, r5, r4
    ldmia r7!, {r1}
    adds r5, r5, r1
    .endr
    end_planes

@ 3 x 3, one pair.
function tenfold_planar_3_pair
1:
    .irp at, 0, 3, 6
    words \at, r3
    step \at
    weight_of_one_pair \at, r1
    weight_of_one_pair \at+1, r2
    weight_of_one_pair \at+2, r3
    .endr
    end_planes

function tenfold_planar_3_pair_sums
1:
    .irp at, 0, 3, 6
    words \at, r3
    adds r6, r6, r1
    adds r6, r6, r2
    adds r6, r6, r3
    .endr
    end_planes

@ 5 x 5, two pairs a column apart.
function tenfold_planar_5
1:
    .irp at, 0, 5, 10, 15, 20
    words \at, r4
    step \at
    weight \at, r1, r2
    weight \at+1, r2, r3
    weight \at+2, r3, r4
    ldmia r7!, {r1, r2}
    weight \at+3, r4, r1
    weight \at+4, r1, r2
    .endr
    end_long_planes

function tenfold_planar_5_sums
1:
    .irp at, 0, 5, 10, 15, 20
    words \at, r4
    adds r6, r6, r1
    adds r2, r2, r3
    adds r2, r2, r4
    ldmia r7!, {r1, r3}
    adds r2, r2, r1
    adds r6, r6, r2
    adds r5, r5, r2
    adds r5, r5, r3
    .endr
    end_planes

@ 5 x 5, one pair.
function tenfold_planar_5_pair
1:
    .irp at, 0, 5, 10, 15, 20
    words \at, r5
    step \at
    weight_of_one_pair \at, r1
    weight_of_one_pair \at+1, r2
    weight_of_one_pair \at+2, r3
    weight_of_one_pair \at+3, r4
    weight_of_one_pair \at+4, r5
    .endr
    end_long_planes

function tenfold_planar_5_pair_sums
1:
    .irp at, 0, 5, 10, 15, 20
    words \at, r4
    adds r6, r6, r1
    adds r6, r6, r2
    adds r6, r6, r3
    adds r6, r6, r4
    ldmia r7!, {r1}
    adds r6, r6, r1
    .endr
    end_planes

@ Sets r1 words from r0 on to zero.
function tenfold_clear
    movs r2, #0
    b 2f
1:  stmia r0!, {r2}
2:  subs r1, #1
    bpl 1b
    bx lr

@ Copies r2 bytes from r1 to r0, the last first.
function tenfold_copy
    b 2f
1:  ldrb r3, [r1, r2]
    strb r3, [r0, r2]
2:  subs r2, #1
    bpl 1b
    bx lr

@ Four runs of weights in plain order times one run of inputs, the last first. r0-r3 weights, r4 inputs,
@ r5 number of the input, r8-r11 sums. An input of 0 is skipped.
.macro dot name, load
function \name
    enter
    movs r7, r0
    adds r7, #24
    ldmia r7!, {r0-r3}
    mov r8, r0
    mov r9, r1
    mov r10, r2
    mov r11, r3
    ldr r7, [sp]
    ldmia r7!, {r0-r5}
1:  \load r6, [r4, r5]
    cmp r6, #0
    beq 2f
    one_of_four r0, r8
    one_of_four r1, r9
    one_of_four r2, r10
    one_of_four r3, r11
2:  subs r5, #1
    bpl 1b
    mov r0, r8
    mov r1, r9
    mov r2, r10
    mov r3, r11
    ldr r7, [sp]
    adds r7, #24
    stmia r7!, {r0-r3}
    leave
.endm

.macro one_of_four weights, sum
    ldrsb r7, [\weights, r5]
    muls r7, r6, r7
    add \sum, r7
.endm

dot tenfold_dot_unsigned, ldrb
dot tenfold_dot_signed, ldrsb

.purgem function
.purgem enter
.purgem leave
.purgem next_output
.purgem separate
.purgem almost_half
.purgem requantize
.purgem multiply
.purgem weight
.purgem weight_of_one_pair
.purgem words
.purgem step
.purgem end_planes
.purgem end_long_planes
.purgem dot
.purgem one_of_four
.text
