@ The loops of paired.rs, for Armv7E-M and Armv8-M with the DSP extension.
@
@ Every function takes the address of a job in r0. In all loops:
@
@   r0-r3   sums of four pixels (0 1 / 2 3 under a pool; side by side without one)
@   r4-r9   widened inputs of some of the window's pixels
@   r8-r11  widened weights, and a word of weights (in the first loop and the fourth)
@   r12     next word of the patch
@   lr      next word of weights
@
@ What does not fit is on the stack, in the order of the job. Every value that is loaded lies in the
@ patch or in the runs of weights, whose lengths the caller has checked.

.syntax unified
.thumb

@ Adds to sums \a and \b the products of two pixels' inputs and one pair of weights.
.macro multiply a, b, x, y, weights
    smlad \a, \x, \weights, \a
    smlad \b, \y, \weights, \b
.endm

@ The next pair of weights to \to: two pairs are loaded at a time, to r11.
.macro next_pair to
    .if (pair & 1) == 0
    ldr r11, [lr], #4
    sxtb16 \to, r11
    .else
    sxtb16 \to, r11, ror #8
    .endif
    .set pair, pair + 1
.endm

.macro function name
    .section .text.\name, "ax", %progbits
    .balign 4
    .globl \name
    .hidden \name
    .thumb_func
    .type \name, %function
\name:
.endm

@ Starts a function for windows of a pool: for each output channel, four times its bias.
.macro start_pooled
    push {r4-r11, lr}
    ldmia r0, {r4-r12}
    mov lr, r12
    push {r4-r11}
1:  ldr r0, [r4], #4
    mov r1, r0
    mov r2, r0
    mov r3, r0
    stmia sp, {r4-r6}
    mov r12, r7
2:
    .set pair, 0
.endm

@ Ends it: the next round of the loop, or the largest of the sums, rounded half to even as
@ arithmetic.rs does. For a shift of 0 the lowest bit of 1 << shift stands in for the parity.
.macro end_pooled
    ldr r11, [sp, #28]
    cmp r12, r11
    bne 2b
    cmp r0, r1
    it lt
    movlt r0, r1
    cmp r2, r3
    it lt
    movlt r2, r3
    cmp r0, r2
    it lt
    movlt r0, r2
    ldmia sp, {r4-r10}
    ldrb r11, [r5], #1
    asr r1, r0, r11
    lsl r2, r10, r11
    orr r1, r1, r2
    and r1, r1, #1
    add r0, r0, r1
    add r0, r0, r2, lsr #1
    sub r0, r0, #1
    asr r0, r0, r11
    add r0, r0, r8
    usat r0, #8, r0
    strb r0, [r6], #1
    cmp r6, r9
    bne 1b
    add sp, sp, #32
    pop {r4-r11, pc}
.endm

@ One row of the window, in r4-r7, times three pairs of weights.
.macro row_of_three a, b
    multiply \a, \b, r4, r5, r8
    multiply \a, \b, r5, r6, r9
    multiply \a, \b, r6, r7, r10
.endm

@ 3 x 3 and a pool: 4 rows of 4 words a plane, 5 words of weights.
function tenfold_pooled_3x3
    start_pooled
    ldmia r12!, {r4-r7}
    ldmia lr!, {r8, r11}
    sxtb16 r9, r8, ror #8
    sxtb16 r8, r8
    sxtb16 r10, r11
    row_of_three r0, r1
    ldmia r12!, {r4-r7}
    row_of_three r2, r3
    sxtb16 r8, r11, ror #8
    ldr r10, [lr], #4
    sxtb16 r9, r10
    sxtb16 r10, r10, ror #8
    row_of_three r0, r1
    ldmia r12!, {r4-r7}
    row_of_three r2, r3
    ldmia lr!, {r8, r10}
    sxtb16 r9, r8, ror #8
    sxtb16 r8, r8
    sxtb16 r10, r10
    row_of_three r0, r1
    ldmia r12!, {r4-r7}
    row_of_three r2, r3
    end_pooled

@ 3 x 3 of an image, and a pool: for each of 2 pairs of columns 4 rows of 2 words, 3 words of weights.
function tenfold_pooled_3x3_image
    start_pooled
    ldmia lr!, {r8-r10}
    ldmia r12!, {r4-r7}
    sxtb16 r11, r8
    multiply r0, r1, r4, r5, r11
    multiply r2, r3, r6, r7, r11
    sxtb16 r11, r8, ror #8
    multiply r0, r1, r6, r7, r11
    ldmia r12!, {r4-r7}
    multiply r2, r3, r4, r5, r11
    sxtb16 r11, r9
    multiply r0, r1, r4, r5, r11
    multiply r2, r3, r6, r7, r11
    ldmia r12!, {r4-r7}
    sxtb16 r11, r9, ror #8
    multiply r0, r1, r4, r5, r11
    multiply r2, r3, r6, r7, r11
    sxtb16 r11, r10
    multiply r0, r1, r6, r7, r11
    ldmia r12!, {r4-r7}
    multiply r2, r3, r4, r5, r11
    sxtb16 r11, r10, ror #8
    multiply r0, r1, r4, r5, r11
    multiply r2, r3, r6, r7, r11
    end_pooled

@ 5 x 5 and a pool: 6 rows of 4 words for the first three columns of the kernel, 6 rows of 3 words for
@ the other two, 13 words of weights.
function tenfold_pooled_5x5
    start_pooled
    ldmia r12!, {r4-r7}
    .rept 5
    next_pair r8
    next_pair r9
    next_pair r10
    row_of_three r0, r1
    ldmia r12!, {r4-r7}
    row_of_three r2, r3
    .endr
    ldmia r12!, {r4-r6}
    .rept 5
    next_pair r8
    next_pair r9
    multiply r0, r1, r4, r5, r8
    multiply r0, r1, r5, r6, r9
    ldmia r12!, {r4-r6}
    multiply r2, r3, r4, r5, r8
    multiply r2, r3, r5, r6, r9
    .endr
    end_pooled

@ 5 x 5 of an image, and a pool: for each of 3 pairs of columns 6 rows of 2 words, 8 words of weights.
function tenfold_pooled_5x5_image
    start_pooled
    .rept 3
    ldmia r12!, {r4-r9}
    next_pair r10
    multiply r0, r1, r4, r5, r10
    multiply r2, r3, r6, r7, r10
    next_pair r10
    multiply r0, r1, r6, r7, r10
    multiply r2, r3, r8, r9, r10
    next_pair r10
    multiply r0, r1, r8, r9, r10
    ldmia r12!, {r4-r9}
    multiply r2, r3, r4, r5, r10
    next_pair r10
    multiply r0, r1, r4, r5, r10
    multiply r2, r3, r6, r7, r10
    next_pair r10
    multiply r0, r1, r6, r7, r10
    multiply r2, r3, r8, r9, r10
    .endr
    end_pooled

@ \count registers from \first on are loaded from [\address]!, or loaded or stored without stepping on.
.macro load_sums count
    .if \count == 4
    ldmia r4, {r0-r3}
    .elseif \count == 3
    ldmia r4, {r0-r2}
    .elseif \count == 2
    ldmia r4, {r0-r1}
    .else
    ldr r0, [r4]
    .endif
.endm

.macro store_sums count
    .if \count == 4
    stmia r4!, {r0-r3}
    .elseif \count == 3
    stmia r4!, {r0-r2}
    .elseif \count == 2
    stmia r4!, {r0-r1}
    .else
    str r0, [r4], #4
    .endif
.endm

.macro load_inputs count
    .if \count == 6
    ldmia r12!, {r4-r9}
    .elseif \count == 5
    ldmia r12!, {r4-r8}
    .elseif \count == 4
    ldmia r12!, {r4-r7}
    .elseif \count == 3
    ldmia r12!, {r4-r6}
    .elseif \count == 2
    ldmia r12!, {r4-r5}
    .else
    ldr r4, [r12], #4
    .endif
.endm

.macro start_single count
    push {r4-r11, lr}
    ldmia r0, {r4-r9}
    push {r4-r9}
1:  load_sums \count
    mov lr, r5
    mov r12, r7
2:
    .set pair, 0
.endm

.macro end_single count
    ldr r11, [sp, #16]
    cmp r12, r11
    bne 2b
    ldmia sp, {r4-r9}
    store_sums \count
    add r5, r5, r6
    stmia sp, {r4-r5}
    cmp r4, r9
    bne 1b
    add sp, sp, #24
    pop {r4-r11, pc}
.endm

@ The next pair of weights times \count inputs side by side, of which the first is in \a.
.macro multiply_side_by_side count, a, b, c, d
    next_pair r10
    smlad r0, \a, r10, r0
    .if \count > 1
    smlad r1, \b, r10, r1
    .endif
    .if \count > 2
    smlad r2, \c, r10, r2
    .endif
    .if \count > 3
    smlad r3, \d, r10, r3
    .endif
.endm

@ 3 x 3 for \count pixels: 3 rows of \count + 2 words a plane, 5 words of weights.
.macro single name, count, inputs
function \name
    start_single \count
    .rept 3
    load_inputs \inputs
    multiply_side_by_side \count, r4, r5, r6, r7
    multiply_side_by_side \count, r5, r6, r7, r8
    multiply_side_by_side \count, r6, r7, r8, r9
    .endr
    end_single \count
.endm

@ 3 x 3 of an image: for each of 2 pairs of columns 3 rows of \count words, 3 words of weights.
.macro single_image name, count
function \name
    start_single \count
    .rept 6
    load_inputs \count
    multiply_side_by_side \count, r4, r5, r6, r7
    .endr
    end_single \count
.endm

single tenfold_single_1, 1, 3
single tenfold_single_2, 2, 4
single tenfold_single_3, 3, 5
single tenfold_single_4, 4, 6
single_image tenfold_single_1_image, 1
single_image tenfold_single_2_image, 2
single_image tenfold_single_3_image, 3
single_image tenfold_single_4_image, 4

.purgem multiply
.purgem next_pair
.purgem function
.purgem start_pooled
.purgem end_pooled
.purgem row_of_three
.purgem load_sums
.purgem store_sums
.purgem load_inputs
.purgem start_single
.purgem end_single
.purgem multiply_side_by_side
.purgem single
.purgem single_image
.text
